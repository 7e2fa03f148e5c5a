"""The function as one would write it in Python: boto3 and requests, in Lambda's own runtime.

It does what bench/floor does, with the same safety, and leaves out the same: for each failed
run one conditional put that claims it, the re-trigger, and the record of the new run; the runs
of an SQS batch at the same time. The clients are made while the module is imported, when Lambda
gives a whole CPU. Secret and token are fetched with the first request and kept.
"""

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import boto3
import requests
from botocore.exceptions import ClientError

CALL_TIMEOUT = 10  # seconds
TABLE = os.environ["LEDGER_TABLE"]

secrets = boto3.client("secretsmanager")
dynamodb = boto3.client("dynamodb")
session = requests.Session()
pool = ThreadPoolExecutor(10)  # a batch has ten messages at most
lock = threading.Lock()
access = {"until": 0}


def handler(event, context):
    """Answers an SQS batch or the event of one run."""
    if "Records" not in event:
        retrigger(event)
        return {}
    failed = []
    answers = [(r["messageId"], pool.submit(retrigger, json.loads(r["body"]))) for r in event["Records"]]
    for message, answer in answers:
        error = answer.exception()
        if error:
            print(error)
            failed.append({"itemIdentifier": message})
    return {"batchItemFailures": failed}


def retrigger(run):
    """Claims a run, re-triggers it and records that. A run that is claimed is done with."""
    allowed = authorize()
    key = {"S": "rival/" + run["id"]}
    try:
        dynamodb.put_item(
            TableName=TABLE,
            Item={"pk": key, "state": {"S": "claimed"}},
            ConditionExpression="attribute_not_exists(pk)",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return
        raise
    answer = session.post(
        os.environ["FLOW_SERVICE_URL"] + "/runs/" + quote(run["id"], safe="") + "/action",
        params={"op": "re-trigger"},
        headers={
            "Authorization": "Bearer " + allowed["token"],
            "X-Api-Key": allowed["client"],
            "X-Gw-Ims-Org-Id": run["imsOrgId"],
            "X-Sandbox-Name": run["sandboxName"],
            "Content-Type": "application/json",
            "Accept": "application/json",
        },
        timeout=CALL_TIMEOUT,
    )
    answer.raise_for_status()
    dynamodb.update_item(
        TableName=TABLE,
        Key={"pk": key},
        UpdateExpression="SET #state = :done, made = :made",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":done": {"S": "retriggered"}, ":made": {"S": answer.json()["id"]}},
    )


def authorize():
    """Returns the token and the client it is for, and fetches secret and token at need."""
    global access
    with lock:
        if time.time() < access["until"]:
            return access
        secret = json.loads(secrets.get_secret_value(SecretId=os.environ["SECRET_ID"])["SecretString"])
        answer = session.post(
            os.environ["IMS_URL"] + "/ims/token/v3",
            data={
                "grant_type": "client_credentials",
                "client_id": secret["client_id"],
                "client_secret": secret["client_secret"],
                "scope": secret["scopes"],
            },
            timeout=CALL_TIMEOUT,
        )
        answer.raise_for_status()
        token = answer.json()
        access = {
            "client": secret["client_id"],
            "token": token["access_token"],
            "until": time.time() + token["expires_in"] - 60,
        }
        return access
