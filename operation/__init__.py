"""Programs that operate the project: the local Prefect server and worker, and what is deployed to a server."""
