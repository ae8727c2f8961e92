/** A local Gemini for tests and for working without a key. */
export type { Bill, Charge } from './bill.ts';
export type { BatchView, LineView } from './control/batches.ts';
export { type Control, ControlError } from './control/control.ts';
export type { Course } from './faults/course.ts';
export type { OutageInput } from './faults/outage.ts';
export type { OutageView } from './faults/outages.ts';
export type { Fault, FaultRule } from './faults/rules.ts';
export type { JournalEntry, JournalPage, Outcome } from './journal.ts';
export type { WindowName, WindowReport } from './quota.ts';
export { makesImages, type RouteName } from './routes/names.ts';
export { type Emulator, type EmulatorOptions, startEmulator } from './server.ts';
export { LIFELIKE, QUIET, type Quotas, type Settings, type SettingsPatch } from './settings.ts';
export type { Delivery } from './webhooks/deliver.ts';
