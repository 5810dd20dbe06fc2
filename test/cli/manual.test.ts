import { describe, expect, it } from 'vitest';
import { runProgram } from '../helpers/program.ts';

describe('the manual page', () => {
  it('has every command, and every option with what it takes', async () => {
    const { status, stdout } = await runProgram(['manual']);
    expect(status).toBe(0);
    const { stdout: help } = await runProgram(['--help']);
    const plain = stdout.replaceAll('\\-', '-').replace(/\\f[BIR]/g, '');
    const options = [...help.matchAll(/^ {2}(?:-\w, )?(--[a-z0-9-]+)/gm)].map(([, name]) => name);
    const wanted = options.filter((name) => name !== '--version');
    expect(wanted.length).toBeGreaterThan(20);
    expect(wanted.filter((name) => !new RegExp(`^(?:-\\w, )?${name}\\b`, 'm').test(plain))).toEqual(
      [],
    );
    expect(plain).toMatch(/^--fail-on level\n.*One of observed, active, what-if, none\./m);
    const list = help.slice(help.indexOf('Other commands:'), help.indexOf('Examples:'));
    const commands = [...list.matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name);
    expect(commands).toContain('explain');
    for (const command of commands.filter((name) => name !== 'help')) {
      expect(plain).toMatch(new RegExp(`^\\.SS vtdscope ${command}\\b`, 'm'));
    }
  });

  it('is of requests that roff knows, and of lines that are none', async () => {
    const { stdout } = await runProgram(['manual']);
    const requests = new Set(stdout.match(/^[.'][A-Za-z]*/gm));
    expect([...requests].sort()).toEqual(['.B', '.RE', '.RS', '.SH', '.SS', '.TH', '.TP', '.br']);
    expect(stdout.match(/^\.SH .*$/gm)).toEqual([
      '.SH NAME',
      '.SH SYNOPSIS',
      '.SH DESCRIPTION',
      '.SH OPTIONS',
      '.SH COMMANDS',
      '.SH "EXIT STATUS"',
      '.SH ENVIRONMENT',
      '.SH FILES',
      '.SH GUIDES',
    ]);
    // Every other backslash begins an escape that is meant.
    expect(stdout.replace(/\\(?:-|e|&|f[BIR])/g, '')).not.toContain('\\');
  });
});
