# Deploys the packaged template as a CloudFormation stack, and puts its authorizer in front of a REST API.
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

variable "bucket" {
  description = "The bucket for the packaged template."
  type        = string
}

variable "key_administrators" {
  description = "The ARNs of the roles that administer the key, among them the one with which Terraform deploys."
  type        = list(string)
}

variable "api_name" {
  description = "The name of the REST API that uses the authorizer."
  type        = string
}

# The template has more than 51,200 bytes, so CloudFormation accepts it only from S3.
resource "aws_s3_object" "countersign" {
  bucket = var.bucket
  key    = "countersign/${filemd5("${path.module}/packaged.yaml")}.yaml"
  source = "${path.module}/packaged.yaml"
}

resource "aws_cloudformation_stack" "countersign" {
  name = "countersign"
  # The template uses the SAM transform.
  capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
  template_url = "https://${aws_s3_object.countersign.bucket}.s3.amazonaws.com/${aws_s3_object.countersign.key}"
  parameters = {
    KeyAdministrators = join(",", var.key_administrators)
  }
}

data "aws_lambda_function" "authorizer" {
  function_name = "${aws_cloudformation_stack.countersign.name}-authorizer"
}

data "aws_api_gateway_rest_api" "api" {
  name = var.api_name
}

resource "aws_api_gateway_authorizer" "bearer" {
  rest_api_id     = data.aws_api_gateway_rest_api.api.id
  name            = "Bearer"
  type            = "REQUEST"
  authorizer_uri  = data.aws_lambda_function.authorizer.invoke_arn
  identity_source = "method.request.header.Authorization"
  # API Gateway keeps no decision.
  authorizer_result_ttl_in_seconds = 0
}

resource "aws_lambda_permission" "api" {
  action        = "lambda:InvokeFunction"
  function_name = data.aws_lambda_function.authorizer.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${data.aws_api_gateway_rest_api.api.execution_arn}/authorizers/${aws_api_gateway_authorizer.bearer.id}"
}

# The authorizer and this response take effect only after a new deployment of the stage of the API. Add both to `triggers`
# and `depends_on` of its aws_api_gateway_deployment.
#
# RFC 6750 requires this header with 401.
resource "aws_api_gateway_gateway_response" "unauthorized" {
  rest_api_id         = data.aws_api_gateway_rest_api.api.id
  response_type       = "UNAUTHORIZED"
  status_code         = "401"
  response_parameters = { "gatewayresponse.header.WWW-Authenticate" = "'Bearer'" }
}
