export { BatchJobsModule } from './batch-jobs.module';
export type { BatchJobsOptions, JobLimits, WebhookOptions } from './batch-jobs-options';
export { BatchJobs } from './batch-jobs.service';
export type {
  DeadChunkListQuery,
  DeadChunkPage,
  JobListQuery,
  JobPage,
  JobWait,
  ResultsQuery,
  ResultsReading,
} from './batch-jobs.service';
export type { JobSubmission, SubmittedInput } from './submission/job-submission';
export type { JobView } from './watching/job-view';
export type { InputEncoding } from './input/inflate';
export type { InputLimits } from './input/input-limits';
export type { InputFormat, JobInput } from './input/read-input';
export type { ResultPage } from './results/result-page';
export { JobStore } from './records/job-store';
export type { ChunkPage, DeadChunkQuery, JobQuery, JobRetry, ResultsPlan } from './records/job-store';
export type { JobDatabase, JobStoreOptions } from './records/job-database';
export { JOB_CLASSES } from './records/job-record';
export type { ChunkDispatch, JobClass, JobFault, JobRecord, NewJob, SampleError } from './records/job-record';
export type { ChunkRecord } from './records/chunk-record';
export { JOB_STATUSES, hasEnded } from './records/job-state';
export type { ChunkStatus, JobStatus } from './records/job-state';
export type { JobBeginning, NewChunk, TenantLimits, UploadToSeal } from './records/job-uploads';
export type { ChunkCommit, ChunkRelease, ChunkResult, ClaimedChunk, HeldChunk } from './records/chunk-leases';
export { inputKey, jobPrefix, resultKey } from './records/chunk-keys';
export { JobQueue } from './queue/job-queue';
export type { ChunkQueue, JobQueueParts, QueueView } from './queue/job-queue';
export { queueConnection } from './queue/queue-connection';
export type { QueueAddress, QueueConnection } from './queue/queue-connection';
export { CHUNK_QUEUE_NAME, queueJobId } from './queue/queue-job';
export type { ChunkQueueData } from './queue/queue-job';
export { WebhookSender } from './webhooks/webhook-sender';
export type { WebhookSenderParts } from './webhooks/webhook-sender';
export { webhookUrlFault } from './webhooks/address-guard';
export type { CheckedAddress, Resolve } from './webhooks/address-guard';
export { parseWebhookSecrets } from './webhooks/webhook-signature';
export type { WebhookDeliveries } from './records/webhook-deliveries';
export { Reconciler } from './upkeep/reconciler';
export type { ReconcilerOptions, ReconcilerParts } from './upkeep/reconciler';
export type { UpkeepLine, UpkeepLog } from './upkeep/upkeep-log';
export { BlobProbe, BlobsNotShared, assertSharedBlobs } from './upkeep/blob-probe';
export type { BlobProbeParts } from './upkeep/blob-probe';
export { ChunkRunner } from './execution/chunk-runner';
export type { ChunkRunnerParts } from './execution/chunk-runner';
export { ModelGone, RowInference } from './execution/row-inference';
export type { RowsRun } from './execution/row-inference';
export { InferenceRows } from './execution/inference-rows';
export type { InferenceRowsParts } from './execution/inference-rows';
