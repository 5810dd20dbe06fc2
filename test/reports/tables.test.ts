import { describe, expect, it } from 'vitest';
import { aFinding, aResult, aSession, aTrace, aWhatIf } from '../helpers/report-builders.ts';
import { render } from '../helpers/report-render.ts';

const trace = aTrace({
  path: 'a, "b".log',
  sessions: [aSession(), aSession({ findings: [aWhatIf()] })],
});

describe('CSV', () => {
  it('has a row per finding', () => {
    expect(render('csv', aResult(trace))).toMatchInlineSnapshot(`
      "trace,session,id,rule,slug,severity,mode,evidence,device,pasid,container,domain,cause,count,firstLine,firstTime,lastLine,lastTime,iova,size,carriedAddress,expectedAddress,bitmapBytes,limitBytes,errno,worstLine,worstIova,worstSize,atRiskBytes,atRisk,message,basis,fix,accepted
      "a, ""b"".log",0,0123456789abcdef,VTD001,bitmap-too-big,error,observed,observed,00:10.0,,container-0,1,whole-unmap,4,12,,21,,0x100000000000,0x100000000000,0x0,,0x20000000,0x10000000,-7,21,0x800000000000,0x800000000000,16384,0xa000000+0x4000,4 unmaps failed.,QEMU's own message in the trace,Whole unmaps: fixed in QEMU 11.0. Today: aw-bits=39.,
      "a, ""b"".log",1,fedcba9876543210,VTD002,zero-translated-address,warning,what-if,derived,00:10.0,,container-0,1,page-walk,2,5,,6,,0x2000,0x1000,0x0,0x9001000,0x8,0x10000000,0,,,,8192,0x9001000+0x2000,2 unmaps would lose dirty bits.,carried address: printed by vtd_page_walk_one,Unmaps of single pages: no release fixes this yet. Today: unplug the device.,
      "
    `);
  });

  it.each([
    { message: '=1+1', cell: "'=1+1" },
    { message: '@A1', cell: "'@A1" },
    { message: '-7', cell: "'-7" },
    { message: '+7', cell: "'+7" },
    { message: '\t=1', cell: "' =1" },
    { message: '\r=1', cell: "'=1" },
    { message: 'a "b", c', cell: '"a ""b"", c"' },
    { message: 'no formula = here', cell: 'no formula = here' },
  ])('quotes $message', ({ message, cell }) => {
    const text = render(
      'csv',
      aResult(aTrace({ sessions: [aSession({ findings: [aFinding({ message })] })] })),
    );
    expect(text.split('\n')[1]).toContain(`,${cell},QEMU's own message`);
  });

  it('leaves numbers numbers', () => {
    expect(render('csv', aResult())).toContain(',-7,21,');
  });
});

describe('NDJSON', () => {
  it('has a line per finding, with trace and session', () => {
    const lines = render('ndjson', aResult(trace))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(lines).toEqual([
      { trace: 'a, "b".log', session: 0, ...aFinding() },
      { trace: 'a, "b".log', session: 1, ...aWhatIf() },
    ]);
  });
});
