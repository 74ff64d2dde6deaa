// Puts the authorizer of a countersign stack in front of a REST API that exists already.
import { App, CfnParameter, Duration, Stack } from 'aws-cdk-lib';
import {
  AuthorizationType,
  CfnGatewayResponse,
  Deployment,
  IdentitySource,
  MockIntegration,
  RequestAuthorizer,
  RestApi,
  Stage,
} from 'aws-cdk-lib/aws-apigateway';
import { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';

const stack = new Stack(new App(), 'Orders');

const parameter = (name: string, description: string) =>
  new CfnParameter(stack, name, { type: 'String', description }).valueAsString;

const authorizerArn = parameter('AuthorizerArn', 'The output AuthorizerArn of the countersign stack.');

// An API that this stack makes itself is `new RestApi(stack, 'Api')`, and needs no deployment below.
const api = RestApi.fromRestApiAttributes(stack, 'Api', {
  restApiId: parameter('RestApiId', 'The id of the API.'),
  rootResourceId: parameter('RootResourceId', 'The id of the resource / of the API.'),
});

const authorizer = new RequestAuthorizer(stack, 'Bearer', {
  // With sameEnvironment, the authorizer may be invoked by the API: the CDK adds the permission.
  handler: LambdaFunction.fromFunctionAttributes(stack, 'Authorizer', {
    functionArn: authorizerArn,
    sameEnvironment: true,
  }),
  // API Gateway responds with 401 to a request without this header.
  identitySources: [IdentitySource.header('Authorization')],
  resultsCacheTtl: Duration.seconds(0),
});

// Replace this mock with your integration. It returns the subject of the token.
const orders = new MockIntegration({
  requestTemplates: { 'application/json': '{"statusCode": 200}' },
  integrationResponses: [
    {
      statusCode: '200',
      responseTemplates: {
        // escapeJavaScript writes ' as \', which JSON does not allow.
        'application/json': `{"sub": "$util.escapeJavaScript($context.authorizer.sub).replaceAll("\\\\'", "'")"}`,
      },
    },
  ],
});
const method = api.root.addResource('orders').addMethod('GET', orders, {
  authorizationType: AuthorizationType.CUSTOM,
  authorizer,
  methodResponses: [{ statusCode: '200' }],
});

// RFC 6750 requires this header with 401.
const unauthorized = new CfnGatewayResponse(stack, 'Unauthorized', {
  restApiId: api.restApiId,
  responseType: 'UNAUTHORIZED',
  statusCode: '401',
  responseParameters: { 'gatewayresponse.header.WWW-Authenticate': "'Bearer'" },
});

// Methods, authorizers and gateway responses take effect with a deployment that is made after them.
const deployment = new Deployment(stack, 'Deployment', { api });
deployment.node.addDependency(method, unauthorized);
new Stage(stack, 'Stage', { deployment, stageName: 'orders' });
