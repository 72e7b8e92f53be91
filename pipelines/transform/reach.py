"""SQL that counts the systems, users and applications that are reached.

The statements below are steps of the transforms of assets. There can be a thousand times more pairs
of systems and users than members. So ids are numbered, a set of numbers is stored as 64-bit words,
and each distinct set of groups is counted once. Systems and users are numbered by their first
group, so that the members of a group share words.
"""

# Tables of the ways to a device, which the following steps read.
WAYS = (
    "system_group_members",
    "system_group_users",
    "user_group_members",
    "user_group_system_bindings",
    "user_system_bindings",
)
# A user group that is bound to devices counts like a system group: these devices are its members.
# Creates memberships(sys, grp) and bindings(usr, grp), with ids as numbers, and single(sys, usr):
# the pairs that only a direct binding connects.
GROUPS = """
CREATE TABLE group_numbers AS
    SELECT group_id, row_number() OVER ()::INTEGER AS grp
    FROM (
        SELECT group_id FROM system_group_members UNION SELECT group_id FROM system_group_users
        UNION SELECT user_group_id FROM user_group_system_bindings
    );
CREATE VIEW system_groups_of AS
    SELECT system_id, grp FROM system_group_members JOIN group_numbers USING (group_id)
    UNION ALL SELECT system_id, grp
    FROM user_group_system_bindings JOIN group_numbers ON group_id = user_group_id;
-- A user group that is bound to no device has no number.
CREATE VIEW groups_of_users AS
    SELECT user_id, grp FROM system_group_users JOIN group_numbers USING (group_id)
    UNION ALL SELECT user_id, grp
    FROM user_group_members JOIN group_numbers ON group_id = user_group_id;
CREATE TABLE user_numbers AS
    SELECT user_id, row_number() OVER (ORDER BY min(grp), user_id)::INTEGER AS usr
    FROM (FROM groups_of_users UNION ALL SELECT user_id, NULL FROM user_system_bindings)
    GROUP BY user_id;
CREATE TABLE system_numbers AS
    SELECT system_id, row_number() OVER (ORDER BY min(grp), system_id)::INTEGER AS sys
    FROM (FROM system_groups_of UNION ALL SELECT system_id, NULL FROM user_system_bindings)
    GROUP BY system_id;
CREATE TABLE memberships AS
    SELECT sys, grp FROM system_groups_of JOIN system_numbers USING (system_id);
CREATE TABLE bindings AS SELECT usr, grp FROM groups_of_users JOIN user_numbers USING (user_id);
CREATE TABLE direct AS
    SELECT sys, usr FROM user_system_bindings
    JOIN system_numbers USING (system_id) JOIN user_numbers USING (user_id);
-- The semi join keeps DuckDB from joining all memberships with all bindings.
CREATE TABLE single AS
    FROM direct ANTI JOIN (
        SELECT DISTINCT sys, usr
        FROM (SELECT sys, usr, grp FROM direct JOIN memberships USING (sys)) AS pairs
        SEMI JOIN bindings USING (usr, grp)
    ) USING (sys, usr);
"""


def count_distinct(name: str, source: str, edges: str, target: str, other_edges: str) -> str:
    """Return steps that count the distinct targets that each source reaches through its groups.

    Args:
        name: name of the table to create. Its columns are `source`, `count` and `set`, the number
            of a set of groups; `<name>_numbers` has the groups of each set.
        source: column of `edges` with the number of the source.
        edges: `memberships` or `bindings`.
        target: column of `other_edges` with the number of the target.
        other_edges: the other one of the two.
    """
    return f"""
CREATE TABLE {name}_sets AS
    SELECT {source}, list_sort(list(grp)) AS groups FROM {edges} GROUP BY {source};
CREATE TABLE {name}_numbers AS
    SELECT groups, row_number() OVER ()::INTEGER AS set
    FROM (SELECT DISTINCT groups FROM {name}_sets);
CREATE TABLE {name}_words AS
    SELECT grp, {target} // 64 AS word, bit_or(1::UBIGINT << ({target} % 64)) AS bits
    FROM {other_edges} GROUP BY grp, word;
CREATE TABLE {name}_counts AS
    SELECT set, sum(bit_count(bits))::BIGINT AS count
    FROM (
        SELECT set, word, bit_or(bits) AS bits
        FROM (SELECT set, unnest(groups) AS grp FROM {name}_numbers) JOIN {name}_words USING (grp)
        GROUP BY set, word
    )
    GROUP BY set;
CREATE TABLE {name} AS
    SELECT {source}, set, coalesce(count, 0) AS count
    FROM {name}_sets JOIN {name}_numbers USING (groups) LEFT JOIN {name}_counts USING (set);
DROP TABLE {name}_sets; DROP TABLE {name}_words; DROP TABLE {name}_counts;
"""


# Reads application_users and the tables of GROUPS.
# Creates application_numbers(application_id, word, bit), and system_words(sys, word, bits): a bit
# is set if a user who reaches the system has the application.
APPLICATION_WORDS = """
CREATE TABLE application_numbers AS
    SELECT application_id, number // 64 AS word, 1::UBIGINT << (number % 64) AS bit
    FROM (
        SELECT application_id, row_number() OVER () - 1 AS number
        FROM (SELECT DISTINCT application_id FROM application_users)
    );
CREATE TABLE user_words AS
    SELECT usr, word, bit_or(bit) AS bits
    FROM application_users
    JOIN user_numbers USING (user_id) JOIN application_numbers USING (application_id)
    GROUP BY usr, word;
CREATE TABLE group_words AS
    SELECT grp, word, bit_or(bits) AS bits FROM bindings JOIN user_words USING (usr)
    GROUP BY grp, word;
CREATE TABLE system_words AS
    SELECT sys, word, bit_or(bits) AS bits
    FROM (
        SELECT sys, word, bits FROM memberships JOIN group_words USING (grp)
        UNION ALL SELECT sys, word, bits FROM single JOIN user_words USING (usr)
    )
    GROUP BY sys, word;
"""
