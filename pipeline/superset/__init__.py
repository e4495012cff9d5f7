"""Database, datasets, charts and a dashboard for Apache Superset, from the contract."""
