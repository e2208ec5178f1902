using System.Collections.Immutable;

namespace BillingMigration.Definition;

/// <summary>Collects the mistakes of a file, to be told in the order of its lines.</summary>
internal sealed class DefinitionProblems
{
    private readonly List<(int Line, DefinitionProblem Problem)> found = [];

    public int Count => found.Count;

    public void Add(DefinitionNode node, string problem, string remedy) => found.Add((node.Line, new DefinitionProblem(node.Place, problem, remedy)));

    public ImmutableArray<DefinitionProblem> InOrder() => [.. found.OrderBy(p => p.Line).Select(p => p.Problem)];
}
