"""SQL for counting what reaches what: common table expressions that the asset queries start with.

Pairs of systems and users can be a thousand times the members. So ids become numbers, a set of
numbers is words of 64 bits, and rows that share a set of groups are counted once. Systems and users
are numbered by their first group, so that a group's members fill few words.
"""

# Needs system_group_members and system_group_users.
# Gives memberships(sys, grp) and bindings(usr, grp), ids as numbers.
GROUPS = """
group_numbers AS MATERIALIZED (
    SELECT group_id, row_number() OVER ()::INTEGER AS grp
    FROM (SELECT group_id FROM system_group_members UNION SELECT group_id FROM system_group_users)
),
user_numbers AS MATERIALIZED (
    SELECT user_id, row_number() OVER (ORDER BY min(grp), user_id)::INTEGER AS usr
    FROM system_group_users JOIN group_numbers USING (group_id) GROUP BY user_id
),
system_numbers AS MATERIALIZED (
    SELECT system_id, row_number() OVER (ORDER BY min(grp), system_id)::INTEGER AS sys
    FROM system_group_members JOIN group_numbers USING (group_id) GROUP BY system_id
),
memberships AS MATERIALIZED (
    SELECT sys, grp FROM system_group_members
    JOIN group_numbers USING (group_id) JOIN system_numbers USING (system_id)
),
bindings AS MATERIALIZED (
    SELECT usr, grp FROM system_group_users
    JOIN group_numbers USING (group_id) JOIN user_numbers USING (user_id)
)
"""


def counted(name: str, of: str, edges: str, what: str, other_edges: str) -> str:
    """A CTE `name`(of, count): how many distinct `what` each `of` reaches by its groups.

    Args:
        name: name of the CTE.
        of: number in `edges` that is counted for.
        edges: memberships or bindings, of `of` and `grp`.
        what: number in `other_edges` that is counted.
        other_edges: the other one of the two.
    """
    return f"""
{name}_words AS MATERIALIZED (
    SELECT grp, {what} // 64 AS word, bit_or(1::UBIGINT << ({what} % 64)) AS bits
    FROM {other_edges} GROUP BY grp, word
),
{name}_sets AS MATERIALIZED (
    SELECT {of}, list_sort(list(grp)) AS groups FROM {edges} GROUP BY {of}
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
    SELECT {of}, coalesce(count, 0) AS count
    FROM {name}_sets JOIN {name}_numbers USING (groups) LEFT JOIN {name}_counts USING (set)
)
"""


# Needs GROUPS and application_users.
# Gives application_numbers(application_id, word, bit), and system_words(sys, word, bits): a bit
# is set where a user who reaches the system holds the application.
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
    SELECT sys, word, bit_or(bits) AS bits FROM memberships JOIN group_words USING (grp)
    GROUP BY sys, word
)
"""
