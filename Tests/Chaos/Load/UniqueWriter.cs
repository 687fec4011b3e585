using System.Globalization;
using System.Text;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Chaos;

/// <summary>
/// A client that writes what nobody writes again: in turn a key of its own, and a word appended to a key of its own. At
/// the end every acknowledged one must be there exactly once, every refused one must not, and of the others either.
/// </summary>
public sealed class UniqueWriter(IKeyValueStore store, int client, Pace pace, Tally tally)
{
    private const int AppendsPerKey = 100;
    private const int Page = 500;

    private enum Fate : byte { Unknown, Acknowledged, Refused }

    private readonly List<Fate> _puts = [];
    private readonly List<Fate> _appends = [];

    public int Acknowledged => _puts.Concat(_appends).Count(fate => fate == Fate.Acknowledged);

    /// <summary>Writes until it is told to stop.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await pace.TurnAsync(stop);
            if (stop.IsCancellationRequested) return;
            if (_puts.Count <= _appends.Count)
                await WriteAsync(_puts, i => store.PutAsync(Bytes(PutKey(i)), Bytes(Value(i))));
            else
                await WriteAsync(_appends, i => store.AppendAsync(Bytes(AppendKey(i / AppendsPerKey)), Bytes(Word(i))));
        }
    }

    /// <summary>Reads everything back, through a client that is patient.</summary>
    /// <returns>What is missing, doubled or there without reason.</returns>
    public async Task<IReadOnlyList<string>> FindLossesAsync(IKeyValueStore reader)
    {
        var found = new Dictionary<string, string>();
        foreach (char first in Keys.FirstCharacters)
        {
            await ReadAsync(reader, $"{first}{PutPrefix}", found);
            await ReadAsync(reader, $"{first}{AppendPrefix}", found);
        }
        var losses = new List<string>();
        for (int i = 0; i < _puts.Count; i++)
        {
            found.Remove(PutKey(i), out string? value);
            if (value is not null && value != Value(i)) losses.Add($"{PutKey(i)} holds {value}, which nobody wrote");
            Judge(PutKey(i), _puts[i], value is null ? 0 : 1, losses);
        }
        for (int key = 0; key * AppendsPerKey < _appends.Count; key++)
        {
            found.Remove(AppendKey(key), out string? value);
            JudgeAppends(key, value ?? "", losses);
        }
        losses.AddRange(found.Keys.Select(key => $"{key} is there, and nobody wrote it"));
        return losses;
    }

    private string PutPrefix => $"p{client}-";

    private string AppendPrefix => $"q{client}-";

    private string PutKey(int number) => First(number) + PutPrefix + Number(number);

    private string AppendKey(int number) => First(number) + AppendPrefix + Number(number);

    private string Value(int number) => $"v{client}-{number}";

    private async Task WriteAsync(List<Fate> fates, Func<int, Task> write)
    {
        fates.Add(Fate.Unknown);
        try
        {
            await write(fates.Count - 1);
            fates[^1] = Fate.Acknowledged;
            tally.Acknowledge(isWrite: true);
        }
        catch (UnavailableException)
        {
            fates[^1] = Fate.Refused;
            tally.NoteRefused();
        }
        catch (OutcomeUnknownException)
        {
            tally.NoteUnknown();
        }
    }

    private static async Task ReadAsync(IKeyValueStore reader, string prefix, Dictionary<string, string> found)
    {
        string from = prefix;
        int rows;
        do
        {
            rows = 0;
            var page = new ScanOptions(Limit: Page);
            await foreach (KeyValueEntry row in reader.ScanAsync(Bytes(from), Bytes(prefix + "~"), page))
            {
                string key = Encoding.UTF8.GetString(row.Key.Span);
                found[key] = Encoding.UTF8.GetString(row.Value.Span);
                from = key + "\0";
                rows++;
            }
        }
        while (rows == Page);
    }

    private void JudgeAppends(int key, string value, List<string> losses)
    {
        string[] words = value.Split(';', StringSplitOptions.RemoveEmptyEntries);
        int last = -1;
        var times = new Dictionary<string, int>();
        foreach (string word in words) times[word] = times.GetValueOrDefault(word) + 1;
        int end = Math.Min(_appends.Count, (key + 1) * AppendsPerKey);
        for (int i = key * AppendsPerKey; i < end; i++)
        {
            string word = Word(i).TrimEnd(';');
            times.Remove(word, out int count);
            Judge($"{word} in {AppendKey(key)}", _appends[i], count, losses);
            if (_appends[i] != Fate.Acknowledged || count == 0) continue;
            int at = Array.IndexOf(words, word);
            if (at < last) losses.Add($"{word} in {AppendKey(key)} comes before an append acknowledged earlier");
            last = at;
        }
        losses.AddRange(times.Keys.Select(word => $"{word} in {AppendKey(key)}: nobody appended it"));
    }

    private static void Judge(string what, Fate fate, int count, List<string> losses)
    {
        if (count > 1) losses.Add($"{what} is there {count} times");
        else if (fate == Fate.Acknowledged && count == 0) losses.Add($"{what} was acknowledged and is missing");
        else if (fate == Fate.Refused && count > 0) losses.Add($"{what} was refused and is there");
    }

    private static char First(int number) => Keys.FirstCharacters[number % Keys.FirstCharacters.Length];

    private static string Number(int number) => number.ToString("d8", CultureInfo.InvariantCulture);

    private static string Word(int number) => $"{number};";

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);
}
