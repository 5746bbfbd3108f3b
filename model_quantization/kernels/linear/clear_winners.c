/* Winners among scores, where no rounding can have chosen them: see clear_winners.py. */

#include "winners.h"

KERNEL integer fill_clear_winners(f64_rows_in scores, f64_in slack, i64_out winners) {
    REQUIRE(slack.size == scores.rows && winners.size == scores.rows && scores.columns > 0);
    i64 unclear = 0;
    for (i64 i = 0; i < scores.rows; i++)
        unclear += !clear_winner(
            scores.at + i * scores.columns, scores.columns, slack.at[i], winners.at + i
        );
    RETURN(unclear);
}
