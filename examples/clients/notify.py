#!/usr/bin/env python3
"""Sends one mail and says whether it went: notify.py HOST:PORT"""
import smtplib
import sys

host, port = sys.argv[1].rsplit(":", 1)
try:
    with smtplib.SMTP(host, int(port), local_hostname="client.example", timeout=5) as server:
        server.sendmail("app@client.example", ["ops@example.org"], "Subject: down\r\n\r\nThe feed is down.\r\n")
    print("sent")
except (smtplib.SMTPException, OSError) as error:
    print("not sent:", error)
    sys.exit(1)
