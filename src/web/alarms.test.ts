import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Issue } from '../config/issue.ts';
import { alarmsOf } from './alarms.ts';

const issue = (code: string, file: string): Issue => ({ severity: 'warning', code, message: code, at: { file, line: 1, col: 1, endCol: 1 } });

test("weir's own faults are alarms, the bad ones first; an alarm nobody knows yet is shown all the same", () => {
  const { alarms, rest } = alarmsOf([issue('vip-not-here', 'layer4.conf'), issue('service-restart', 'weir'), issue('from-tomorrow', 'weir'), issue('lvs-stopped', 'weir')]);
  assert.deepEqual(alarms.map(({ issue: { code }, tone, action }) => [code, tone, action?.href ?? null]), [
    ['lvs-stopped', 'bad', '#/services'], ['service-restart', 'warn', '#/services'], ['from-tomorrow', 'warn', null],
  ]);
  assert.deepEqual(rest.map(({ code }) => code), ['vip-not-here']);
});
