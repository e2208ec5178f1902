using BillingMigration.Testing;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(LongestFirst))]

namespace BillingMigration.Testing;

/// <summary>Classes that wait the longest begin first, so that at the end nobody waits for one of them alone.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] Long =
    [
        "SwitchTrialTests", "LinkTests", "CatchUpTests", "OutageTests", "KillTests", "SyncStateTests", "FaultTests", "LateTests",
        "SwitchTests", "SwitchTroubleTests", "ReverseTests", "SameAnswersTests", "StoredValueTests", "RoutingTests", "LargeUnitTests",
    ];

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection => [.. testCollections.OrderBy(PlaceOf)];

    private static int PlaceOf<TTestCollection>(TTestCollection collection)
        where TTestCollection : ITestCollection
    {
        var place = Array.FindIndex(Long, name => collection.TestCollectionDisplayName.Contains($".{name} ", StringComparison.Ordinal));
        return place < 0 ? Long.Length : place;
    }
}
