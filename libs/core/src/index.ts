export { ERROR_CATALOGUE, QuaysideError, isQuaysideError } from './errors';
export type { ErrorCode, ErrorDetail, QuaysideErrorOptions } from './errors';
export { BYTE_WIDTH, DTYPES, INTEGER_RANGE, isFloat, isInteger } from './dtypes';
export type { Dtype, FixedDtype } from './dtypes';
export { elementCount, elementsOf, floatsOf, mapTensors, tensorOf, textsOf, viewOf } from './tensor';
export type { Dimension, NamedTensors, Signature, Tensor, TensorSpec, TensorValues, TensorView } from './tensor';
export { concatRows, sliceRows, splitRows } from './tensor-rows';
export { decodeElements, decodeJson, decodeNested } from './tensor-decoder';
export { nestingDepth } from './nesting';
export type { DeclaredTarget, RowsTarget, ShapedTarget } from './tensor-decoder';
export type { DecodeOptions } from './element-sink';
export { encodeJson, encodeNested } from './tensor-encoder';
export type { EncodeOptions, EncodedParameters, EncodedTensor } from './tensor-encoder';
export { readBinary } from './tensor-binary';
export { INPUT_FAULTS } from './input-fault';
export type { InputFaultCode } from './input-fault';
export { JSON_LIMITS, parseJsonBody } from './json-body';
export type { JsonLimits } from './json-body';
export { ownValue } from './json';
export type { JsonRecord, JsonValue, RawJson } from './json';
export {
  STORED_CODEC,
  decodeStored,
  decodeStoredTensor,
  elementDtype,
  encodeStored,
  encodeStoredTensor,
  isTensor,
} from './stored-value';
export type { StoredDtype, StoredScalar, StoredValue } from './stored-value';
export { decodeKeyText, decodeStoredInput } from './stored-value-input';
export type { StoredTarget } from './stored-value-input';
export { codePointLength } from './text';
export { decodeTimestamp, encodeTimestamp } from './timestamp';
export { newId } from './id';
export { randomBytes } from './random';
export { MODEL_NAME_PATTERN, parseModelReference } from './model-reference';
export type { ModelReference } from './model-reference';
export type { CallContext } from './call-context';
export { Clock, SystemClock } from './clock';
export type { Timer } from './clock';
export { DRAIN_PHASES, Drain, drainBudgets } from './drain';
export type { DrainFault, DrainPhase } from './drain';
export { tabularColumns } from './tabular-columns';
export type { ColumnOptions, TabularColumn, WrittenColumn, WrittenColumns } from './tabular-columns';
