-- One database for each service, and one for the keys of personal data; PostgreSQL's image runs this when its volume is new.
CREATE DATABASE duban_assignment;
CREATE DATABASE duban_supervision;
CREATE DATABASE duban_enterprise;
CREATE DATABASE duban_notify;
CREATE DATABASE duban_keys;
