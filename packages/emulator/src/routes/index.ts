/** The routes of the Gemini API, each with the path it answers and the file that answers it. */
import { mannerOf } from '../faults/manner.ts';
import { isRefused } from '../faults/rules.ts';
import { type Call, hang, refuseByFault, reset } from './call.ts';
import { downloadFile } from './download-file.ts';
import { generateContent } from './generate-content.ts';
import { getModel, listModels } from './models.ts';
import type { RouteName } from './names.ts';

type Handler = (call: Call) => Promise<void>;
type Route = { name: RouteName; method: 'GET' | 'POST'; path: RegExp; handle: Handler };

const VERSION = '(?<version>v1|v1beta|v1alpha)';
const MODEL = 'models/(?<model>[^/:]+)';

const route = (method: Route['method'], path: string, name: RouteName, handle: Handler): Route => ({
  name,
  method,
  path: new RegExp(`^${path}$`),
  handle,
});

const ROUTES: readonly Route[] = [
  // Decide for themselves when a fault strikes: it depends on what was charged.
  route('POST', `/${VERSION}/${MODEL}:generateContent`, 'generate_content', generateContent),
  route('POST', `/${VERSION}/${MODEL}:streamGenerateContent`, 'stream_generate_content', generateContent),
  route('GET', `/${VERSION}/models`, 'list_models', exposed(listModels)),
  route('GET', `/${VERSION}/${MODEL}`, 'get_model', exposed(getModel)),
  route('GET', `/(?:download/)?${VERSION}/files/(?<file>[a-z0-9-]+):download`, 'download_file', exposed(downloadFile)),
];

export type Found = { name: RouteName; handle: Handler | undefined; params: Record<string, string | undefined> };

/** The route of a request, with the named parts of its path. */
export function findRoute(method: string, path: string): Found {
  for (const route of ROUTES) {
    const match = route.method === method ? route.path.exec(path) : null;
    if (match) return { name: route.name, handle: route.handle, params: { ...match.groups } };
  }
  return { name: 'unknown', handle: undefined, params: {} };
}

/** Puts the fault script in front of a route that costs nothing. */
function exposed(handle: Handler): Handler {
  return async (call) => {
    const { faults, journal } = call.world;
    const model = call.params['model'];
    const fault = faults.choose({ route: call.entry.route, ...(model !== undefined && { model }) });
    if (!fault) return handle(call);
    journal.update(call.entry, { fault: fault.kind });
    if (isRefused(fault)) return refuseByFault(call, fault);
    if (fault.kind === 'reset' || fault.kind === 'reset_after_billing') return reset(call);
    if (fault.kind === 'hang') return hang(call);
    call.manner = mannerOf(fault);
    return handle(call);
  };
}
