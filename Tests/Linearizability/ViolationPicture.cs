using System.Globalization;
using System.Text;

namespace Orleans.Raft.Linearizability;

/// <summary>
/// Shows a violation as one HTML file: clients as rows, operations as bars, the longest order found in green with its
/// numbers, the operation that fits nowhere in red. Only what lies around the failure is drawn. The horizontal axis is
/// the order of events, not time, so that nothing is too short to see; times are in the tooltips.
/// </summary>
public static class ViolationPicture
{
    private const int MostOrdered = 40;
    private const int MostBars = 80;
    private const int Left = 90;
    private const int EventWidth = 34;
    private const int LaneHeight = 30;
    private const int BarHeight = 22;
    private const double LetterWidth = 6.2;

    /// <summary>Writes the picture of a violation into the temporary directory.</summary>
    /// <param name="name">Names the file: <c>violation-NAME.html</c>.</param>
    /// <returns>Its path.</returns>
    public static string Write(IReadOnlyList<HistoryEntry> entries, LinearizabilityResult result, string name)
    {
        string path = Path.Combine(Path.GetTempPath(), $"violation-{name}.html");
        File.WriteAllText(path, Draw(entries, result));
        return path;
    }

    /// <summary>The picture of a result's first violation.</summary>
    /// <param name="entries">What was checked.</param>
    /// <exception cref="ArgumentException">There is no violation.</exception>
    public static string Draw(IReadOnlyList<HistoryEntry> entries, LinearizabilityResult result)
    {
        if (result.Violation is not { Misfit: { } misfit } part)
            throw new ArgumentException("A linearizable history has no violation to draw.", nameof(result));
        var numbers = new Dictionary<int, int>();
        for (int i = 0; i < part.Order.Count; i++) numbers[part.Order[i].Id] = i + 1;
        HistoryEntry[] bars = [.. Window(entries, part, misfit, numbers)];
        long[] events = [.. bars.SelectMany(bar => new[] { bar.Invoked, bar.Returned })
            .Where(position => position != long.MaxValue).Distinct().Order()];
        var lanes = Lanes(bars, out int laneCount);
        int width = Left + (events.Length + 2) * EventWidth;
        int height = (laneCount + 1) * LaneHeight;

        var page = new StringBuilder();
        page.AppendLine("""
            <!DOCTYPE html>
            <html xmlns="http://www.w3.org/1999/xhtml"><head><meta charset="utf-8"/><title>Not linearizable</title>
            <style>
            body { font: 14px sans-serif; } text { font: 11px monospace; }
            .ordered { fill: #b7e1b0; stroke: #3c7a33; } .misfit { fill: #f6a5a5; stroke: #c00000; stroke-width: 2; }
            .open { fill: #e4e4e4; stroke: #777777; } .unknown { stroke-dasharray: 4 3; } .client { font-weight: bold; }
            </style></head><body>
            """);
        page.AppendLine(CultureInfo.InvariantCulture, $"<pre>{Escape(result.Explain()!)}</pre>");
        page.AppendLine("<p>Green: the longest order found, with its numbers. Red: fits nowhere. Grey: not ordered. "
            + "Dashed: outcome unknown.</p>");
        page.AppendLine(CultureInfo.InvariantCulture,
            $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\">");
        foreach (var client in lanes.GroupBy(lane => lane.Key.Client).OrderBy(group => group.Key))
            page.AppendLine(CultureInfo.InvariantCulture, $"<text class=\"client\" x=\"4\" y=\"{Top(client.Min(lane =>
                lane.Value)) + 15}\">client {client.Key}</text>");
        foreach (HistoryEntry bar in bars)
        {
            double start = Left + Array.BinarySearch(events, bar.Invoked) * EventWidth;
            double end = bar.Returned == long.MaxValue
                ? width - 4 : Left + Array.BinarySearch(events, bar.Returned) * EventWidth;
            string kind = bar.Id == misfit.Id ? "misfit" : numbers.ContainsKey(bar.Id) ? "ordered" : "open";
            if (bar.Outcome == OperationOutcome.Unknown) kind += " unknown";
            string label = Label(bar, numbers);
            int letters = Math.Max(4, (int)((end - start) / LetterWidth));
            double length = end - start;
            string shown = label.Length <= letters ? label : label[..(letters - 1)] + "…";
            page.AppendLine(CultureInfo.InvariantCulture, $"""
                <g><title>{Escape($"{label} (client {bar.Client}, from {bar.InvokedAt} to {(bar.ReturnedAt ==
                    long.MaxValue ? "the end" : bar.ReturnedAt)})")}</title>
                <rect class="{kind}" x="{start}" y="{Top(lanes[bar])}" width="{length}" height="{BarHeight}" rx="3"/>
                <text x="{start + 3}" y="{Top(lanes[bar]) + 15}">{Escape(shown)}</text></g>
                """);
        }
        return page.AppendLine("</svg></body></html>").ToString();
    }

    /// <summary>The misfit, the last operations ordered, and what of the same keys is in flight at the same time.
    /// </summary>
    private static IEnumerable<HistoryEntry> Window(IReadOnlyList<HistoryEntry> entries, PartVerdict part,
        HistoryEntry misfit, Dictionary<int, int> numbers)
    {
        HistoryEntry[] last = [misfit, .. part.Order.TakeLast(MostOrdered)];
        long first = last.Where(entry => entry.Outcome == OperationOutcome.Answered).Min(entry => entry.Invoked);
        var around = entries.Where(entry => entry.Outcome != OperationOutcome.Refused && entry.Id != misfit.Id
            && !numbers.ContainsKey(entry.Id) && entry.Operation.Partition == part.Partition
            && (entry.Operation.Kind == OperationKind.Scan || part.Keys.Contains(entry.Operation.Key))
            && entry.Invoked >= first && entry.Invoked <= misfit.Returned);
        return last.Concat(around.TakeLast(MostBars - last.Length)).OrderBy(entry => entry.Invoked);
    }

    /// <summary>A row for each client; further rows where operations of unknown outcome overlap later ones.</summary>
    private static Dictionary<HistoryEntry, int> Lanes(HistoryEntry[] bars, out int count)
    {
        var lanes = new Dictionary<HistoryEntry, int>();
        count = 0;
        foreach (var client in bars.GroupBy(bar => bar.Client).OrderBy(group => group.Key))
        {
            var ends = new List<long>();
            foreach (HistoryEntry bar in client)
            {
                int lane = ends.FindIndex(end => end < bar.Invoked);
                if (lane < 0)
                {
                    lane = ends.Count;
                    ends.Add(0);
                }
                ends[lane] = bar.Returned;
                lanes[bar] = count + lane;
            }
            count += ends.Count;
        }
        return lanes;
    }

    private static int Top(int lane) => 8 + lane * LaneHeight;

    private static string Label(HistoryEntry bar, Dictionary<int, int> numbers)
    {
        string number = numbers.TryGetValue(bar.Id, out int place) ? $"{place}. " : "";
        string answer = bar.Outcome == OperationOutcome.Answered ? bar.Answer!.Describe(bar.Operation.Kind) : "unknown";
        return $"{number}{bar.Operation} = {answer}";
    }

    /// <summary>Text as XML may hold it.</summary>
    private static string Escape(string text)
    {
        var escaped = new StringBuilder(text.Length);
        foreach (char letter in text)
        {
            escaped.Append(letter switch
            {
                '<' => "&lt;",
                '>' => "&gt;",
                '&' => "&amp;",
                '"' => "&quot;",
                '\n' => "\n",
                < ' ' or (>= (char)0x7f and < (char)0xa0) or (>= (char)0xd800 and < (char)0xe000) or > (char)0xfffd =>
                    $"\\u{(int)letter:x4}",
                _ => letter.ToString(),
            });
        }
        return escaped.ToString();
    }
}
