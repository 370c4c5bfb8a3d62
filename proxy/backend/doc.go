// Package backend is about connections to servers: dial, pool, lend exactly once, settings, reset, cancel.
//
// A Conn belongs to whoever Acquire returned it to until Release; in between the pool touches nothing of it but its
// lease and its cancels. Pools, Pool and Settings are safe for concurrent use, everything else is not.
package backend
