"""Starts MiniStack for `cargo xtask deploy-test`, with what the template needs and MiniStack lacks.

Each change names the function that it replaces and the digest of that function's source. Another version of
MiniStack can have other code: the start then fails, and the change has to be read again.

1. `Fn::Join`, `Fn::Split`, `Fn::Sub` and `AWS::Partition` in the section Conditions, which MiniStack leaves unevaluated:
   every condition that has one is true, an error, or wrong.
2. What IAM has to know of requests to KMS: the key behind an alias, the aliases that authorize a request with
   their keys, and the condition keys of KMS. Without them no policy of the template matches.
3. `aws:PrincipalArn` of a role's session, which is the ARN of the role, and `lambda:SourceFunctionArn`.
4. CloudFormation refuses to create an alias that exists and to update a key that is pending deletion. Without
   that, a deployment that AWS refuses would move the aliases of a ring.
5. A changed definition of a REST API keeps the API and its id, as in AWS, where CloudFormation calls PutRestApi.
   With another id, the issuer of all tokens would be another one.
6. The gateway responses and the policy of a definition, and the responses of its mock integrations, which MiniStack
   leaves out.
7. A clock for the dates of aliases. The file that DEPLOY_TEST_CLOCK names has a number of seconds: all aliases
   are that much older.
8. Layers of functions with a runtime of their own. They run on this machine, so their layer is not at /opt: settings
   that name a file there name the unpacked layer, which takes the place of the function's folder.
9. Alarms with metric math are made with the first of their metrics. No alarm is evaluated here.
10. The values of parameters in the SAM transform, which MiniStack makes with the defaults: the authorizer of an API would
    be the function of another stack.
11. Routes of a definition for any method, which MiniStack leaves out.
12. The limit of 64 characters for the name of a function, which AWS enforces and MiniStack does not.
"""

import copy
import hashlib
import importlib
import importlib.metadata
import inspect
import json
import os
import sys
from contextvars import ContextVar

VERSION = "1.5.33"

# The modules are imported before the changes, so that each change also reaches modules that have imported the
# function by its name.
MODULES = [
    "ministack.app",
    "ministack.core.iam_actions",
    "ministack.core.iam_evaluator",
    "ministack.services.apigateway_v1",
    "ministack.services.cloudformation.changesets",
    "ministack.services.cloudformation.engine",
    "ministack.services.cloudformation.handlers",
    "ministack.services.cloudformation.provisioners",
    "ministack.services.cloudformation.stacks",
    "ministack.services.iam",
    "ministack.services.kms",
    "ministack.services.lambda_svc",
]


def stop(problem):
    sys.exit(f"deploy_engine.py does not fit this MiniStack: {problem}")


def replace(name, digest):
    """Replaces the function with that name, wherever it is known."""
    module, _, attribute = name.rpartition(".")
    original = getattr(importlib.import_module(module), attribute, None)
    if not inspect.isfunction(original):
        stop(f"{name} is not a function")
    found = hashlib.sha256(inspect.getsource(original).encode()).hexdigest()[:16]
    if found != digest:
        stop(f"the source of {name} has the digest {found}, not {digest}")

    def install(make):
        replacement = make(original)
        for loaded in [module for name, module in sys.modules.items() if name.startswith("ministack")]:
            for key, value in list(vars(loaded).items()):
                if value is original:
                    setattr(loaded, key, replacement)
        for handlers in provisioners._RESOURCE_HANDLERS.values():
            for operation, handler in handlers.items():
                if handler is original:
                    handlers[operation] = replacement

    return install


found = importlib.metadata.version("ministack")
if found != VERSION:
    stop(f"the version is {found}, not {VERSION}")
for module in MODULES:
    importlib.import_module(module)

from ministack.core.responses import get_account_id, get_region  # noqa: E402
from ministack.services import apigateway_v1, iam, kms, lambda_svc  # noqa: E402
from ministack.services.cloudformation import engine, provisioners  # noqa: E402


# --- 1. Functions of texts in conditions ---


def texts(node, parameters):
    """The node with each function of literals and parameters as its value. Other functions stay as they are."""
    if isinstance(node, list):
        return [texts(item, parameters) for item in node]
    if not isinstance(node, dict):
        return node
    if set(node) == {"Fn::Join"}:
        separator, items = node["Fn::Join"]
        if isinstance(items, dict):
            items = parameters[items["Ref"]]["Value"].split(",")
        return separator.join(item.strip() for item in items)
    if node == {"Ref": "AWS::Partition"}:
        return "aws"
    node = {key: texts(value, parameters) for key, value in node.items()}
    if set(node) == {"Fn::Sub"}:
        text = node["Fn::Sub"]
        for name, parameter in parameters.items():
            text = text.replace("${" + name + "}", parameter["Value"])
        return text
    if set(node) == {"Fn::Split"}:
        separator, text = node["Fn::Split"]
        return text.split(separator)
    if set(node) == {"Fn::Select"} and isinstance(node["Fn::Select"][1], list):
        index, items = node["Fn::Select"]
        return items[int(index)]
    return node


@replace("ministack.services.cloudformation.engine._evaluate_conditions", "e7f9e29b6c01a4a7")
def with_texts(original):
    def evaluate(template, params):
        conditions = texts(copy.deepcopy(template.get("Conditions", {})), params)
        return original({**template, "Conditions": conditions}, params)

    return evaluate


# --- 2. Requests to KMS ---

# The action, the resources and the condition keys of the request that is being authorized.
kms_request = ContextVar("kms_request", default=None)


def key_arn(record):
    return record["Arn"]


def aliases_of(record):
    prefix = f"arn:aws:kms:{get_region()}:{get_account_id()}:"
    targets = kms._aliases.items()
    return [arn.removeprefix(prefix) for arn, key in targets if key == record["KeyId"]]


def condition_keys(operation, body, record):
    """The condition keys of KMS for a request about this key."""
    keys = {
        "kms:SigningAlgorithm": body.get("SigningAlgorithm"),
        "kms:MessageType": body.get("MessageType", "RAW") if operation in ("Sign", "Verify") else None,
        "kms:ScheduleKeyDeletionPendingWindowInDays": (
            body.get("PendingWindowInDays", 30) if operation == "ScheduleKeyDeletion" else None
        ),
    }
    if operation == "CreateKey":
        keys["kms:KeySpec"] = body.get("KeySpec", "SYMMETRIC_DEFAULT")
        keys["kms:KeyUsage"] = body.get("KeyUsage", "ENCRYPT_DECRYPT")
    if record:
        keys["kms:KeySpec"], keys["kms:KeyUsage"] = record["KeySpec"], record["KeyUsage"]
        keys["kms:ResourceAliases"] = aliases_of(record) or None
    return {key: value for key, value in keys.items() if value is not None}


def checks(operation, body):
    """The resources of a request, each with its condition keys. KMS authorizes an operation on an alias with
    the alias and with each key that it names."""
    if not operation.endswith("Alias"):
        record = kms._resolve_key(body["KeyId"]) if body.get("KeyId") else None
        return [(key_arn(record) if record else "*", condition_keys(operation, body, record))]
    alias = kms._alias_arn(body.get("AliasName", ""))
    names = [body.get("TargetKeyId"), kms._aliases.get(alias) if operation != "CreateAlias" else None]
    keys = [record for record in map(kms._resolve_key, filter(None, names)) if record]
    return [(alias, {})] + [(key_arn(key), condition_keys(operation, body, key)) for key in keys]


@replace("ministack.core.iam_actions.extract_resource_arn", "82f51700695c62fd")
def with_body(original):
    def extract(service, method, path, headers, body, *rest):
        kms_request.set(None)
        target = headers.get("x-amz-target", "")
        if service == "kms" and target.startswith("TrentService."):
            kms_request.set(checks(target.removeprefix("TrentService."), json.loads(body or b"{}")))
        return original(service, method, path, headers, body, *rest)

    return extract


@replace("ministack.core.iam_evaluator.enforce", "cf64b1ee5b099c8f")
def with_resources(original):
    def enforce(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
        found = kms_request.get() if service == "kms" else None
        for resource, keys in found or [(resource_arn, {})]:
            context = {**(service_context or {}), **keys}
            denied = original(access_key_id, iam_action, service, region, resource, context)
            if denied is not None:
                return denied
        return None

    return enforce


# --- 3. The role and the function of a session ---


@replace("ministack.core.iam_evaluator._resolve_condition_key", "15e26964cd38f32c")
def with_role(original):
    def resolve(key, ctx):
        prefix = f"arn:aws:sts::{ctx.principal_account}:assumed-role/"
        if ctx.principal_arn.startswith(prefix):
            role, _, session = ctx.principal_arn.removeprefix(prefix).partition("/")
            if key.lower() == "aws:principalarn":
                return iam._roles[role]["Arn"]
            # MiniStack names the session of a function after the function.
            if key.lower() == "lambda:sourcefunctionarn":
                return f"arn:aws:lambda:{ctx.region}:{ctx.principal_account}:function:{session}"
        return original(key, ctx)

    return resolve


# --- 4. Resources of KMS in CloudFormation ---


@replace("ministack.services.cloudformation.provisioners._kms_alias_create", "9cbeeaeab524d711")
def unless_it_exists(original):
    def create(logical_id, props, stack_name):
        name = props.get("AliasName", "")
        if kms._alias_arn(name) in kms._aliases:
            raise ValueError(f"Resource of type 'AWS::KMS::Alias' with identifier '{name}' already exists.")
        return original(logical_id, props, stack_name)

    return create


@replace("ministack.services.cloudformation.provisioners._kms_key_update", "9c9241e53c424d99")
def unless_it_is_pending_deletion(original):
    def update(physical_id, old_props, new_props, stack_name):
        record = kms._resolve_key(physical_id)
        if record and record["KeyState"] == "PendingDeletion":
            raise ValueError(f"Resource of type 'AWS::KMS::Key' with identifier '{physical_id}' was not found.")
        return original(physical_id, old_props, new_props, stack_name)

    return update


# --- 5. The definition of a REST API ---


@replace("ministack.services.cloudformation.provisioners._apigw_rest_api_update", "9dee2ef4d9518845")
def with_the_same_id(original):
    def update(physical_id, old_props, new_props, stack_name, logical_id=None):
        definition = new_props.get("Body")
        if definition != old_props.get("Body"):
            resources = apigateway_v1._resources[physical_id]
            apigateway_v1._authorizers_v1[physical_id].clear()
            for identifier, resource in list(resources.items()):
                resource["resourceMethods"].clear()
                if resource["path"] != "/":
                    del resources[identifier]
            schemes = apigateway_v1._import_security_schemes(physical_id, definition)
            for path, methods in definition["paths"].items():
                apigateway_v1._import_path_item(physical_id, path, methods, schemes, definition.get("security"))
        return original(physical_id, {**old_props, "Body": definition}, new_props, stack_name, logical_id)

    return update


# --- 6. Responses of a REST API ---


@replace("ministack.services.apigateway_v1._import_security_schemes", "52260df45b3d0307")
def with_gateway_responses_and_policy(original):
    def import_schemes(api_id, spec):
        apigateway_v1._rest_apis[api_id]["policy"] = spec.get("x-amazon-apigateway-policy")
        for kind, response in spec.get("x-amazon-apigateway-gateway-responses", {}).items():
            apigateway_v1._put_gateway_response(api_id, kind, response)
        return original(api_id, spec)

    return import_schemes


@replace("ministack.services.apigateway_v1._import_operation", "ca6b0dd9dcf2c8f1")
def with_responses(original):
    def import_operation(api_id, resource_id, http_method, operation, *rest):
        original(api_id, resource_id, http_method, operation, *rest)
        integration = operation.get("x-amazon-apigateway-integration", {})
        if integration.get("type", "").lower() == "mock":
            method = apigateway_v1._resources[api_id][resource_id]["resourceMethods"][http_method]
            method["methodIntegration"]["requestTemplates"] = integration.get("requestTemplates", {})
            method["methodIntegration"]["integrationResponses"] = integration.get("responses", {})

    return import_operation


# --- 7. The clock of aliases ---

applied = 0


@replace("ministack.services.kms._list_aliases", "ff4ce5e1b982bdf0")
def with_clock(original):
    def list_aliases(data):
        global applied
        with open(os.environ["DEPLOY_TEST_CLOCK"], encoding="utf-8") as file:
            seconds = int(file.read())
        for dates in kms._alias_dates.values():
            for name in dates:
                dates[name] -= seconds - applied
        applied = seconds
        return original(data)

    return list_aliases


# --- 8. Layers ---


@replace("ministack.services.lambda_svc._provided_worker_env", "8cccaed6a6d8792a")
def with_layers(original):
    def environment(config, code_dir, port):
        variables = original(config, code_dir, port)
        for layer in config.get("Layers", []):
            content = lambda_svc._resolve_layer_zip(layer)
            if content is None:
                raise ValueError(f"the layer {layer} has no content")
            folder = lambda_svc._docker_extracted_dir(content, "layer")
            for name, value in variables.items():
                if value.startswith("file:/opt/"):
                    variables[name] = f"file:{folder}/{value.removeprefix('file:/opt/')}"
            variables["LAMBDA_TASK_ROOT"] = folder
        return variables

    return environment


# --- 9. Alarms with metric math ---


@replace("ministack.services.cloudformation.provisioners._cw_metric_alarm_record", "4565fcede1ebf266")
def with_metric_math(original):
    def record(name, props):
        metrics = [metric["MetricStat"] for metric in props.get("Metrics", []) if "MetricStat" in metric]
        if metrics:
            first = metrics[0]
            props = {**props, **first["Metric"], "Period": first["Period"], "Statistic": first["Stat"]}
            del props["Metrics"]
        return original(name, props)

    return record


# --- 10. Parameters of the SAM transform ---


@replace("ministack.services.cloudformation.engine._apply_transforms", "d3f0e05e08db154a")
def with_values(original):
    def apply(template, provided_params=None, previous_params=None):
        declared = template.get("Parameters")
        if declared:
            values = engine._transform_parameters(template, provided_params, previous_params)
            # The transform gets no values, so they take the place of the defaults.
            given = {name: {**parameter, "Default": values.get(name)} for name, parameter in declared.items()}
            template = {**template, "Parameters": given}
        transformed = original(template, provided_params, previous_params)
        if declared:
            transformed["Parameters"] = declared
        return transformed

    return apply


# --- 11. Routes for any method ---


@replace("ministack.services.apigateway_v1._import_path_item", "5634327444432ccd")
def with_any_method(original):
    def import_path_item(api_id, path, path_item, *rest):
        original(api_id, path, path_item, *rest)
        operation = path_item.get("x-amazon-apigateway-any-method")
        if operation:
            resources = apigateway_v1._resources[api_id].items()
            resource_id = next(identifier for identifier, resource in resources if resource["path"] == path)
            apigateway_v1._import_operation(api_id, resource_id, "ANY", operation, *rest)

    return import_path_item


# --- 12. Names of functions ---

LONGEST_NAME = 64


@replace("ministack.services.cloudformation.provisioners._lambda_create", "8b2cf80e961d92ee")
def with_longest_name(original):
    def create(logical_id, props, stack_name):
        name = props.get("FunctionName", "")
        if len(name) > LONGEST_NAME:
            raise ValueError(f"the name of function {name} has more than {LONGEST_NAME} characters")
        return original(logical_id, props, stack_name)

    return create


importlib.import_module("ministack.app").main()
