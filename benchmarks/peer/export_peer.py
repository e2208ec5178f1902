#!/usr/bin/env python3
"""The export of the sample's charges as a script would do it: PyMySQL reads, boto3's batch_writer writes. Same rows, same items.

export_peer.py HOST PORT DATABASE ROWS ENDPOINT TABLE
Prints one line of JSON, as the other workers do.
"""
import json
import resource
import sys
import time

import boto3
import pymysql
import pymysql.cursors

COLUMNS = ("charge_id, account_id, subscriber_id, bill_id, charge_type, description, quantity, amount, tax_amount, charged_at, created_at")


def normal(number):
    """A decimal without trailing zeros, in plain notation: what the product writes."""
    return number.normalize() + 0


def item_of(row):
    (charge_id, account_id, subscriber_id, bill_id, charge_type, description, quantity, amount, tax_amount, charged_at, created_at) = row
    charged = charged_at.strftime("%Y-%m-%dT%H:%M:%S.%f")
    at = f"CHARGE#{charged}#{charge_id:020d}"
    item = {
        "pk": f"ACCOUNT#{account_id}",
        "sk": at,
        "entity": "CHARGE",
        "gsi1pk": f"BILL#{bill_id}" if bill_id is not None else f"ACCOUNT#{account_id}#UNBILLED",
        "gsi1sk": at,
        "gsi2pk": f"CHARGE#{charge_id}",
        "gsi2sk": "CHARGE",
        "gsi4pk": f"CHARGE#{charged[:7]}#{charge_id % 16:02d}",
        "gsi4sk": f"{charge_type}#{charged}#{charge_id:020d}",
        "charge_id": charge_id,
        "account_id": account_id,
        "charge_type": charge_type,
        "description": description,
        "quantity": normal(quantity),
        "amount": normal(amount),
        "tax_amount": normal(tax_amount),
        "charged_at": charged,
        "created_at": created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    if subscriber_id is not None:
        item["subscriber_id"] = subscriber_id
        item["gsi3pk"] = f"SUBSCRIBER#{subscriber_id}"
        item["gsi3sk"] = at
    if bill_id is not None:
        item["bill_id"] = bill_id
    return item


def main():
    host, port, database, rows, endpoint, name = sys.argv[1:]
    started = time.monotonic()
    table = boto3.resource(
        "dynamodb", endpoint_url=endpoint, region_name="eu-central-1", aws_access_key_id="local", aws_secret_access_key="local"
    ).Table(name)
    connection = pymysql.connect(
        host=host, port=int(port), user="root", database=database, init_command="SET time_zone = '+00:00'", cursorclass=pymysql.cursors.SSCursor
    )
    items = 0
    with connection.cursor() as cursor, table.batch_writer() as batch:
        cursor.execute(f"SELECT {COLUMNS} FROM charge ORDER BY charge_id LIMIT {int(rows)}")
        for row in cursor:
            batch.put_item(Item=item_of(row))
            items += 1
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({
        "Items": items,
        "Seconds": time.monotonic() - started,
        "CpuSeconds": usage.ru_utime + usage.ru_stime,
        "PeakBytes": usage.ru_maxrss * 1024,
    }))


main()
