"""Pages made of what stages show: the report, and the artifacts of the Prefect UI. No picture depends on their templates."""
