import { WorkerScale } from '../admin/scale.dto';
import { ANY, type OperationText } from './operation-text';

/** What those are asked for who run the server. */
export const ADMIN_OPERATIONS = {
  describeScale: {
    tag: 'jobs',
    summary: 'Tell how much work waits for workers',
    description:
      'For an autoscaler of workers, such as the metrics-api scaler of KEDA. Only while the server listens on loopback.',
    answers: 'How much there is.',
    answer: [WorkerScale],
    examples: {
      busy: {
        summary: '588,000 rows are left of a model that does 8,200 a second',
        answer: { backlog_seconds: 71.707 },
      },
    },
    errors: [...ANY, 'database_unavailable'],
  },
} as const satisfies Record<string, OperationText>;
