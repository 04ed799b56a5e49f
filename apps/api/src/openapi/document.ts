import type { ErrorCode } from '@app/core';
import { productVersion } from '@app/observability';
import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { SCHEMA_PREFIX } from '../http/dto';
import { dtoSchemas } from '../http/dto-schemas';
import { ErrorResponse } from '../http/error.dto';
import { HTTP_ERRORS } from '../http/http-errors';
import {
  ANY_HEADERS,
  ERROR_EXAMPLES,
  HEADERS,
  type HeaderName,
  INFERENCE_HEADERS,
  PARAMETERS,
  type ParameterName,
  errorHeaders,
} from './components';
import { toOpenApiSchema } from './openapi-schema';
import { type DtoType, type OperationText, TAGS } from './operation-text';
import { OPERATIONS } from './operations';

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;
type Parameters = NonNullable<Operation['parameters']>;
type Responses = Operation['responses'];
type Examples = Readonly<Record<string, object>>;

const MODEL_PARAMETER = {
  description: 'The model: `name`, `name@version` or `name@label`; `@` may be sent as `%40`.',
  example: 'banking-intents',
};

const DESCRIPTION = `Predictions of ONNX models over REST.

Every answer has \`X-Request-ID\` and \`X-Trace-ID\`. Every error has the body \`ErrorResponse\`, with a code of the error
catalogue; a probe that fails shows its report beside it. A path that does not exist is 404 \`route_not_found\`; a path that does not take the method is 405
\`method_not_allowed\`, with \`Allow\`.`;

/**
 * The OpenAPI 3.0.3 document of an application: routes from its controllers, schemas from its DTO classes, the rest from
 * `OPERATIONS`.
 */
export function buildDocument(app: INestApplication): OpenAPIObject {
  const scanned = SwaggerModule.createDocument(app, base());
  const operations = scanned.paths as unknown as Record<string, Record<string, Operation>>;
  const paths = mapValues(operations, (path) => mapValues(path, describe));
  const schemas = mapValues(dtoSchemas(), toOpenApiSchema);
  const parameters = mapEntries(PARAMETERS, (name, parameter) => ({ name, ...parameter }));
  const components = { schemas, headers: HEADERS, parameters, examples: ERROR_EXAMPLES };
  return { ...scanned, paths, components: used(components, { paths, components }) };
}

/** The components that something refers to. */
function used(
  components: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  by: object,
): Record<string, Record<string, unknown>> {
  const text = JSON.stringify(by);
  return mapEntries(components, (kind, entries) =>
    Object.fromEntries(Object.entries(entries).filter(([name]) => text.includes(`"#/components/${kind}/${name}"`))),
  );
}

function base(): Omit<OpenAPIObject, 'paths'> {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.0.3')
    .setTitle('Quayside')
    .setDescription(DESCRIPTION)
    .setVersion(productVersion())
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer('/', 'This server');
  for (const [name, description] of Object.entries(TAGS)) builder.addTag(name, description);
  return builder.build();
}

function describe(operation: Operation): object {
  const { operationId, parameters = [] } = operation;
  const text = (OPERATIONS as Readonly<Record<string, OperationText>>)[operationId ?? ''];
  if (!text) throw new Error(`A route has no entry in OPERATIONS: ${operationId ?? 'it has no @Operation()'}.`);
  return {
    operationId,
    tags: [text.tag],
    summary: text.summary,
    description: text.description,
    security: [],
    parameters: [...describeParameters(parameters), ...queryParameters(text), ...headerParameters(text)],
    ...(text.body && { requestBody: requestBody(text.body, text) }),
    responses: { ...successes(text), ...failures(text) },
  };
}

function describeParameters(parameters: Parameters): object[] {
  return parameters.map((parameter) => ({
    ...('name' in parameter && parameter.name === 'model' && parameter.in === 'path' && MODEL_PARAMETER),
    ...parameter,
  }));
}

function queryParameters({ query }: OperationText): object[] {
  const { properties = {} } = (query && dtoSchemas()[query.name]) ?? {};
  return Object.entries(properties).map(([name, property]) => {
    const { description, example, ...schema } = toOpenApiSchema(property);
    const said = { name, in: 'query', required: false, description, ...(example !== undefined && { example }) };
    // An object stands in a query as JSON.
    const isJson = property.type === 'object' || property['$ref'] !== undefined;
    return { ...said, ...(isJson ? { content: { 'application/json': { schema } } } : { schema }) };
  });
}

function headerParameters({ body, textBodies, takes = [] }: OperationText): object[] {
  const names: ParameterName[] = [
    'X-Request-ID',
    'traceparent',
    'X-Request-Timeout-Ms',
    ...(body ? [textBodies ? ('Content-Encoding-Of-Rows' as const) : ('Content-Encoding' as const)] : []),
    ...takes,
  ];
  return names.map((name) => ({ $ref: `#/components/parameters/${name}` }));
}

function requestBody(types: readonly DtoType[], { examples, textBodies = [] }: OperationText): object {
  const requests = mapValues(examples, ({ summary, request }) => ({ summary, value: request }));
  const content = json(types, requests);
  if (textBodies.length === 0) return { required: true, content };
  const rows = { type: 'array', items: {}, description: 'Rows, where the query names a model.' };
  const either = { oneOf: [...types.map(refTo), rows] };
  const texts = textBodies.map((type) => [type, { schema: { type: 'string' } }]);
  return {
    required: true,
    content: { 'application/json': { ...content['application/json'], schema: either }, ...Object.fromEntries(texts) },
  };
}

const NOT_MODIFIED = '304';

function successes(text: OperationText): Record<string, object> {
  const byStatus = typeof text.answers === 'string' ? { 200: text.answers } : text.answers;
  return mapEntries(byStatus, (status, description) => ({
    description,
    ...(status === NOT_MODIFIED ? { headers: headerRefs([...ANY_HEADERS, 'ETag']) } : success(text)),
  }));
}

function success({ answer, examples, isInference, lines, headers = [] }: OperationText): object {
  const values = mapValues(examples, (example) => ({ summary: example.summary, value: example.answer }));
  const names = [...ANY_HEADERS, ...(isInference ? INFERENCE_HEADERS : []), ...headers];
  return { headers: headerRefs(names), content: json(answer, values, lines) };
}

/** A response for each status, with an example for each code of it. */
function failures({ errors, unavailable }: OperationText): Responses {
  const byStatus = Map.groupBy(errors, (code) => HTTP_ERRORS[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, ofStatus]) => [
      status,
      failure(ofStatus, status === 503 && unavailable ? [unavailable, ErrorResponse] : [ErrorResponse]),
    ]),
  ) as Responses;
}

function failure(codes: readonly ErrorCode[], types: readonly DtoType[]): object {
  const examples = Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }]));
  const description = codes.map((code) => `\`${code}\``).join(', ');
  return { description, headers: headerRefs(errorHeaders(codes)), content: json(types, examples) };
}

function headerRefs(names: readonly HeaderName[]): object {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

function json(types: readonly DtoType[], examples: Examples, mediaType = 'application/json'): Record<string, object> {
  const refs = types.map(refTo);
  const schema = refs.length > 1 ? { oneOf: refs } : (refs[0] ?? { type: 'object' });
  return { [mediaType]: { schema, ...(Object.keys(examples).length > 0 && { examples }) } };
}

function refTo({ name }: DtoType): object {
  return { $ref: SCHEMA_PREFIX + name };
}

function mapValues<Value, Mapped>(
  record: Readonly<Record<string, Value>>,
  map: (value: Value) => Mapped,
): Record<string, Mapped> {
  return mapEntries(record, (_key, value) => map(value));
}

function mapEntries<Value, Mapped>(
  record: Readonly<Record<string, Value>>,
  map: (key: string, value: Value) => Mapped,
): Record<string, Mapped> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(key, value)]));
}
