// The Corestore that holdfast-client is tested with; an app has its own.
import { createRequire } from 'node:module';

export default createRequire(new URL('../client-sdk/js/package.json', import.meta.url))('corestore');
