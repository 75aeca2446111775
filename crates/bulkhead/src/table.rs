//! Tables as kubectl prints them.

use comfy_table::{ContentArrangement, Table, presets};

/// A table with three spaces between columns and no lines.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    table
        .to_string()
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

/// An age as kubectl prints it: the two largest units while they matter.
pub(crate) fn age(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 if !seconds.is_multiple_of(60) => format!("{minutes}m{}s", seconds % 60),
        120..10_800 => format!("{minutes}m"),
        10_800..28_800 if !minutes.is_multiple_of(60) => format!("{hours}h{}m", minutes % 60),
        10_800..172_800 => format!("{hours}h"),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_look_like_kubectls() {
        let shown: Vec<String> = [5, 119, 125, 180, 3000, 10_860, 90_000, 200_000]
            .map(age)
            .to_vec();
        assert_eq!(shown, ["5s", "119s", "2m5s", "3m", "50m", "3h1m", "25h", "2d"]);
    }

    #[test]
    fn columns_line_up() {
        let text = table(
            &["NAME", "READY"],
            vec![vec!["a-long-name".into(), "True".into()]],
        );
        assert_eq!(text, "NAME          READY\na-long-name   True");
    }
}
