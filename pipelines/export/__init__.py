"""Files for other programs: query results, whole tables, workbooks and OCSF events."""
