import { describe, expect, it } from 'vitest';
import { parseListenAt } from '../../../src/fleet/queue/metrics.ts';

describe('the place where metrics are served', () => {
  it('is on this machine, unless it is told', () => {
    expect(parseListenAt('9100')).toEqual({ host: '127.0.0.1', port: 9100 });
    expect(parseListenAt('0.0.0.0:9100')).toEqual({ host: '0.0.0.0', port: 9100 });
    expect(parseListenAt('[::1]:9100')).toEqual({ host: '::1', port: 9100 });
    for (const text of ['', 'host', '99999', 'a b:1', ':1']) {
      expect(() => parseListenAt(text)).toThrow(`--metrics: ${text} is no [HOST:]PORT`);
    }
  });
});
