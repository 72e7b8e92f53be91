"""Run the SQL of standard input like the process of a run, and print the results."""

import sys

import sqlalchemy as sa

from assets_defs.celery.postgres import expect_restarts

expect_restarts()
engine = sa.create_engine(sys.argv[1], isolation_level="AUTOCOMMIT")
for line in sys.stdin:
    with engine.connect() as connection:
        sys.stdout.write(f"{connection.execute(sa.text(line)).scalar()}\n")
        sys.stdout.flush()
