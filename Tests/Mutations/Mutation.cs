using Orleans.Raft.Core;

namespace Orleans.Raft.Mutations;

internal static class Mutation
{
    /// <summary>Requires that a scenario finds nothing in the code as it is, and finds a bug when it is switched
    /// on.</summary>
    /// <param name="finding">Part of what the scenario must say: failing for another reason would prove
    /// nothing.</param>
    /// <param name="scenario">Throws what it finds.</param>
    public static void IsFound(FaultPoint bug, string finding, Action<FaultPoints> scenario)
    {
        scenario(default);
        Exception? found = Record.Exception(() => scenario(new FaultPoints(bug)));
        Assert.True(found is not null, $"{bug} was not found");
        Assert.True(found.Message.Contains(finding, StringComparison.Ordinal),
            $"{bug} should be found as '{finding}', not as {found}");
    }
}
