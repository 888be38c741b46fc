"""What Django's ``manage.py`` finds in the app."""
