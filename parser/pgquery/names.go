package pgquery

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// aggregates are PostgreSQL's own; an unknown one shows by its syntax or not at all. A function of that name in another
// schema is taken for an aggregate as well, which costs nothing but a guess about the query's class.
var aggregates = set("any_value", "array_agg", "avg", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "corr",
	"count", "covar_pop", "covar_samp", "cume_dist", "every", "first", "last", "histogram", "json_agg",
	"json_agg_strict", "json_object_agg", "json_object_agg_strict", "json_object_agg_unique",
	"json_object_agg_unique_strict", "jsonb_agg", "jsonb_agg_strict", "jsonb_object_agg", "jsonb_object_agg_strict",
	"jsonb_object_agg_unique", "jsonb_object_agg_unique_strict", "max", "min", "mode", "percentile_cont",
	"percentile_disc", "range_agg", "range_intersect_agg", "regr_avgx", "regr_avgy", "regr_count", "regr_intercept",
	"regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "stddev", "stddev_pop", "stddev_samp", "string_agg",
	"sum", "var_pop", "var_samp", "variance", "xmlagg", "approx_count_distinct", "approx_percentile", "st_union",
	"st_collect", "st_extent", "hll_add_agg", "hll_union_agg")

var timeBuckets = set("time_bucket", "time_bucket_ng", "time_bucket_gapfill", "date_trunc", "date_bin", "extract",
	"date_part")

var searches = set("to_tsquery", "plainto_tsquery", "phraseto_tsquery", "websearch_to_tsquery", "to_tsvector", "ts_rank",
	"ts_rank_cd", "ts_headline", "ts_filter", "ts_rewrite", "similarity", "word_similarity", "strict_word_similarity")

// clocks return the time of the transaction, or what is as good as that to whoever keeps a result.
var clocks = set("now", "transaction_timestamp", "statement_timestamp")

// volatileClocks move on while a statement runs.
var volatileClocks = set("clock_timestamp", "timeofday")

// isTextSearch reports whether an operator belongs to full-text or trigram search; % is not among them, see terms.
func isTextSearch(op string) bool {
	switch op {
	case "@@", "@@@", "<->", "<<->", "<->>", "<<<->", "<->>>", "<%", "%>", "<<%", "%>>":
		return true
	}
	return false
}
