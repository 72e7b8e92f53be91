"""SQL that counts the systems, users and applications that are reached.

The common table expressions (CTEs) below are parts of the queries of assets. There can be a
thousand times more pairs of systems and users than members. So ids are numbered, a set of numbers
is stored as 64-bit words, and each distinct set of groups is counted once. Systems and users are
numbered by their first group, so that the members of a group share words.
"""

# Tables of the ways to a device, which the following CTEs read.
WAYS = (
    "system_group_members",
    "system_group_users",
    "user_group_members",
    "user_group_system_bindings",
    "user_system_bindings",
)
# A user group that is bound to devices counts like a system group: these devices are its members.
# Defines memberships(sys, grp) and bindings(usr, grp), with ids as numbers, and single(sys, usr):
# the pairs that only a direct binding connects.
GROUPS = """
system_groups_of AS (
    SELECT system_id, group_id FROM system_group_members
    UNION ALL SELECT system_id, user_group_id FROM user_group_system_bindings
),
groups_of_users AS (
    SELECT user_id, group_id FROM system_group_users
    UNION ALL SELECT user_id, user_group_id FROM user_group_members
    WHERE user_group_id IN (SELECT user_group_id FROM user_group_system_bindings)
),
group_numbers AS MATERIALIZED (
    SELECT group_id, row_number() OVER ()::INTEGER AS grp
    FROM (SELECT group_id FROM system_groups_of UNION SELECT group_id FROM groups_of_users)
),
user_numbers AS MATERIALIZED (
    SELECT user_id, row_number() OVER (ORDER BY min(grp), user_id)::INTEGER AS usr
    FROM (
        SELECT user_id, grp FROM groups_of_users JOIN group_numbers USING (group_id)
        UNION ALL SELECT user_id, NULL FROM user_system_bindings
    )
    GROUP BY user_id
),
system_numbers AS MATERIALIZED (
    SELECT system_id, row_number() OVER (ORDER BY min(grp), system_id)::INTEGER AS sys
    FROM (
        SELECT system_id, grp FROM system_groups_of JOIN group_numbers USING (group_id)
        UNION ALL SELECT system_id, NULL FROM user_system_bindings
    )
    GROUP BY system_id
),
memberships AS MATERIALIZED (
    SELECT sys, grp FROM system_groups_of
    JOIN group_numbers USING (group_id) JOIN system_numbers USING (system_id)
),
bindings AS MATERIALIZED (
    SELECT usr, grp FROM groups_of_users
    JOIN group_numbers USING (group_id) JOIN user_numbers USING (user_id)
),
direct AS MATERIALIZED (
    SELECT sys, usr FROM user_system_bindings
    JOIN system_numbers USING (system_id) JOIN user_numbers USING (user_id)
),
-- The semi join keeps DuckDB from joining all memberships with all bindings.
shared AS (
    SELECT DISTINCT sys, usr
    FROM (SELECT sys, usr, grp FROM direct JOIN memberships USING (sys)) AS pairs
    SEMI JOIN bindings USING (usr, grp)
),
single AS MATERIALIZED (
    FROM direct ANTI JOIN shared USING (sys, usr)
)
"""


def count_distinct(name: str, source: str, edges: str, target: str, other_edges: str) -> str:
    """Return a CTE that counts the distinct targets that each source reaches through its groups.

    Args:
        name: name of the CTE; its columns are `source` and `count`.
        source: column of `edges` with the number of the source.
        edges: `memberships` or `bindings`.
        target: column of `other_edges` with the number of the target.
        other_edges: the other one of the two.
    """
    return f"""
{name}_words AS MATERIALIZED (
    SELECT grp, {target} // 64 AS word, bit_or(1::UBIGINT << ({target} % 64)) AS bits
    FROM {other_edges} GROUP BY grp, word
),
{name}_sets AS MATERIALIZED (
    SELECT {source}, list_sort(list(grp)) AS groups FROM {edges} GROUP BY {source}
),
{name}_numbers AS MATERIALIZED (
    SELECT groups, row_number() OVER ()::INTEGER AS set
    FROM (SELECT DISTINCT groups FROM {name}_sets)
),
{name}_merged AS (
    SELECT set, word, bit_or(bits) AS bits
    FROM (SELECT set, unnest(groups) AS grp FROM {name}_numbers) JOIN {name}_words USING (grp)
    GROUP BY set, word
),
{name}_counts AS (
    SELECT set, sum(bit_count(bits))::BIGINT AS count FROM {name}_merged GROUP BY set
),
{name} AS (
    SELECT {source}, coalesce(count, 0) AS count
    FROM {name}_sets JOIN {name}_numbers USING (groups) LEFT JOIN {name}_counts USING (set)
)
"""


# Reads application_users and the CTEs of GROUPS.
# Defines application_numbers(application_id, word, bit), and system_words(sys, word, bits): a bit
# is set if a user who reaches the system has the application.
APPLICATION_WORDS = """
application_numbers AS MATERIALIZED (
    SELECT application_id, number // 64 AS word, 1::UBIGINT << (number % 64) AS bit
    FROM (
        SELECT application_id, row_number() OVER () - 1 AS number
        FROM (SELECT DISTINCT application_id FROM application_users)
    )
),
user_words AS (
    SELECT usr, word, bit_or(bit) AS bits
    FROM application_users
    JOIN user_numbers USING (user_id) JOIN application_numbers USING (application_id)
    GROUP BY usr, word
),
group_words AS (
    SELECT grp, word, bit_or(bits) AS bits FROM bindings JOIN user_words USING (usr)
    GROUP BY grp, word
),
system_words AS MATERIALIZED (
    SELECT sys, word, bit_or(bits) AS bits
    FROM (
        SELECT sys, word, bits FROM memberships JOIN group_words USING (grp)
        UNION ALL SELECT sys, word, bits FROM single JOIN user_words USING (usr)
    )
    GROUP BY sys, word
)
"""
