using System.Globalization;
using System.Text;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Simulator;

/// <summary>
/// One simulated client: writes its own keys and appends to shared ones, and knows what may be read. Its own keys must
/// hold the last acknowledged value, or one of those written since whose outcome is unknown; every acknowledged append
/// must be there exactly once.
/// </summary>
internal sealed class ClientModel(int number, KvClient client, Random random, SimulationTrace trace)
{
    private const int OwnKeys = 3;
    private const string FirstCharacters = "!9AMZbnz";

    private readonly List<string>[] _possible = [.. Enumerable.Range(0, OwnKeys).Select(_ => new List<string> { "" })];
    private readonly List<(string Key, string Token, bool Acknowledged)> _appends = [];
    private int _lastValue;

    public long Acknowledged { get; private set; }

    public long Unknown { get; private set; }

    public long ReadsChecked { get; private set; }

    public static string SharedKey(int index) => $"{FirstCharacters[index % FirstCharacters.Length]}shared";

    public async Task RunAsync(Func<bool> stop, List<string> violations)
    {
        while (!stop())
        {
            switch (random.Next(10))
            {
                case < 4: await PutAsync(random.Next(OwnKeys)); break;
                case < 6: await AppendAsync(random.Next(FirstCharacters.Length)); break;
                case < 7: await DeleteAsync(random.Next(OwnKeys)); break;
                default: await CheckReadAsync(random.Next(OwnKeys), (Consistency)random.Next(2), violations); break;
            }
        }
    }

    /// <summary>Reads everything back once all is healed.</summary>
    public async Task CheckAllAsync(List<string> violations)
    {
        for (int key = 0; key < OwnKeys; key++) await CheckReadAsync(key, Consistency.Linearizable, violations);
        foreach (IGrouping<string, (string Key, string Token, bool Acknowledged)> key in _appends.GroupBy(a => a.Key))
        {
            ReadOnlyMemory<byte>? value = await client.GetAsync(Bytes(key.Key));
            string[] tokens = value is { } bytes ? Encoding.UTF8.GetString(bytes.Span).Split(';') : [];
            Dictionary<string, int> counts = tokens.GroupBy(t => t).ToDictionary(t => t.Key, t => t.Count());
            foreach ((_, string token, bool acknowledged) in key)
            {
                int count = counts.GetValueOrDefault(token);
                ReadsChecked++;
                if (count > 1)
                    violations.Add($"client {number}: append {token} to {key.Key} was applied {count} times");
                if (acknowledged && count == 0)
                    violations.Add($"client {number}: acknowledged append {token} to {key.Key} is lost");
            }
        }
    }

    private string OwnKey(int key) => $"{FirstCharacters[(number + key) % FirstCharacters.Length]}own-{number}-{key}";

    private Task PutAsync(int key)
    {
        string value = $"v{++_lastValue}";
        return WriteAsync(key, value, () => client.PutAsync(Bytes(OwnKey(key)), Bytes(value)));
    }

    private Task DeleteAsync(int key) => WriteAsync(key, "", () => client.DeleteAsync(Bytes(OwnKey(key))));

    private async Task WriteAsync(int key, string value, Func<Task> write)
    {
        List<string> possible = _possible[key];
        possible.Add(value);
        try
        {
            await write();
            possible.Clear();
            possible.Add(value);
            Acknowledged++;
        }
        catch (OutcomeUnknownException)
        {
            Unknown++;
        }
        catch (UnavailableException)
        {
            possible.RemoveAt(possible.Count - 1);
        }
        trace.Note($"w{number}{OwnKey(key)}{value}{string.Join(',', possible)}");
    }

    private async Task AppendAsync(int index)
    {
        string token = string.Create(CultureInfo.InvariantCulture, $"{number}.{_appends.Count}");
        string key = SharedKey(index);
        bool acknowledged = false;
        try
        {
            await client.AppendAsync(Bytes(key), Bytes(token + ";"));
            acknowledged = true;
            Acknowledged++;
        }
        catch (OutcomeUnknownException)
        {
            Unknown++;
        }
        catch (UnavailableException)
        {
            return;
        }
        _appends.Add((key, token, acknowledged));
        trace.Note($"a{number}{key}{token}{acknowledged}");
    }

    private async Task CheckReadAsync(int key, Consistency consistency, List<string> violations)
    {
        string read;
        try
        {
            ReadOnlyMemory<byte>? value =
                await client.GetAsync(Bytes(OwnKey(key)), new ReadOptions(Consistency: consistency));
            read = value is { } bytes ? Encoding.UTF8.GetString(bytes.Span) : "";
        }
        catch (UnavailableException)
        {
            return;
        }
        ReadsChecked++;
        List<string> possible = _possible[key];
        if (!possible.Contains(read))
            violations.Add($"client {number}: {consistency} read of {OwnKey(key)} gave '{read}', possible are "
                + $"'{string.Join("', '", possible)}'");
        trace.Note($"r{number}{OwnKey(key)}{read}");
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);
}
