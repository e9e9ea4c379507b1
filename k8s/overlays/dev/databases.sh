#!/bin/sh
# Run once by the image, on an empty volume: a role and a database for each server.
set -eu
psql --set ON_ERROR_STOP=1 --username postgres --dbname postgres <<'SQL'
\getenv prefect PREFECT_PASSWORD
\getenv mlflow MLFLOW_PASSWORD
CREATE ROLE prefect LOGIN PASSWORD :'prefect';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';
CREATE DATABASE prefect OWNER prefect;
CREATE DATABASE mlflow OWNER mlflow;
REVOKE CONNECT ON DATABASE prefect, mlflow FROM PUBLIC;
SQL
