-- One database for each service; PostgreSQL's image runs this when its volume is new.
CREATE DATABASE duban_assignment;
CREATE DATABASE duban_supervision;
CREATE DATABASE duban_enterprise;
CREATE DATABASE duban_notify;
