import { describeQueueOn } from './on-broker.ts';

describeQueueOn('postgres');
