create schema if not exists quayside;
