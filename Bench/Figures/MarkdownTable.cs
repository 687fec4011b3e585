namespace Orleans.Raft.Bench;

/// <summary>A table in Markdown, with columns lined up for reading as it is.</summary>
internal sealed class MarkdownTable(params string[] headings)
{
    private readonly List<string[]> _rows = [];

    /// <summary>Adds a row; a <c>|</c> in a cell is escaped.</summary>
    /// <exception cref="ArgumentException">It has not as many cells as there are headings.</exception>
    public void Add(params string[] cells)
    {
        if (cells.Length != headings.Length)
            throw new ArgumentException($"{cells.Length} cells for {headings.Length} headings.", nameof(cells));
        _rows.Add([.. cells.Select(cell => cell.Replace("|", "\\|", StringComparison.Ordinal))]);
    }

    public void Write(TextWriter output)
    {
        int[] widths = [.. headings.Select((heading, column) => _rows.Select(row => row[column].Length)
            .Append(heading.Length).Append(3).Max())];
        WriteRow(output, headings, widths);
        WriteRow(output, [.. widths.Select(width => new string('-', width))], widths);
        foreach (string[] row in _rows) WriteRow(output, row, widths);
    }

    private static void WriteRow(TextWriter output, string[] cells, int[] widths) =>
        output.WriteLine("| " + string.Join(" | ", cells.Select((cell, column) => cell.PadRight(widths[column])))
            + " |");
}
