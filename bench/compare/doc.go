// Command compare measures aioproxy beside its peers: the same load, on the same servers, in turns within one run.
//
//	main.go      flags, the order of things
//	targets.go   what is measured: a direct connection, PgBouncer, Pgpool-II, aioproxy, other builds of it
//	daemon.go    starts and stops them
//	cpu.go       processor time and memory, from the kernel's accounting
//	load.go      pgbench, and what it says
//	rows.go      the rows: what is done to each target
//	bulk.go      large results
//	idle.go      many clients that do nothing
//	profile.go   CPU profiles on request
//	report.go    medians, spreads, ratios; RESULTS.md
//
// A figure is the median over the rounds; targets take turns within a round, so that what disturbs the machine disturbs all.
// Processor time per transaction is that of the target's processes alone, without PostgreSQL and without the load.
package main
