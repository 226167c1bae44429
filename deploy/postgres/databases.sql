-- One database for each service, and one for the keys of personal data; the PostgreSQL image runs this on an empty volume.
CREATE DATABASE duban_assignment;
CREATE DATABASE duban_supervision;
CREATE DATABASE duban_enterprise;
CREATE DATABASE duban_notify;
CREATE DATABASE duban_keys;
