import { describe, expect, it } from 'vitest';
import { pipeline } from '../../src/base/commands.ts';

const TAR = { command: 'tar -xOf', filter: 'tar -xOf -' };

describe('what to type to read an input with another program', () => {
  it.each([
    ['a.tar', [], 'tar -xOf a.tar | vtdscope -'],
    ["it's.tar", [], "tar -xOf 'it'\\''s.tar' | vtdscope -"],
    ['a.tar.gz', ['gzip -dc'], 'gzip -dc a.tar.gz | tar -xOf - | vtdscope -'],
    ['-', [], '... | tar -xOf - | vtdscope -'],
    [
      'https://host/a.tar?id=5',
      [],
      "curl -fsSL 'https://host/a.tar?id=5' | tar -xOf - | vtdscope -",
    ],
    [
      's3://bucket/a.tgz',
      ['gzip -dc'],
      'aws s3 cp s3://bucket/a.tgz - | gzip -dc | tar -xOf - | vtdscope -',
    ],
  ])('%s', (path, unpack, typed) => {
    expect(pipeline(path, unpack, TAR)).toBe(typed);
  });
});
