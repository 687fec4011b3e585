namespace Orleans.Raft.Chaos;

/// <summary>Keys over all groups of a store that divides printable ASCII.</summary>
public static class Keys
{
    /// <summary>What keys begin with, in turn.</summary>
    public const string FirstCharacters = "!0@APZ_aqz~";
}
