"""What people take home: figures in one style, the report and the listening page."""
