namespace BillingMigration.Store.DynamoDb;

/// <summary>What is done of a large unit, whatever it is.</summary>
internal interface ILargeWork
{
    /// <summary>Takes all that it writes to, and asks for all that could refuse it.</summary>
    /// <param name="partition">That is its own already.</param>
    /// <param name="cancellationToken">It is undone.</param>
    /// <returns>False: there is nothing to do.</returns>
    /// <exception cref="StoreException">It is refused.</exception>
    /// <exception cref="PartitionHeldException">Another large unit is at work where this one has to.</exception>
    Task<bool> PlanAsync(string partition, CancellationToken cancellationToken);

    /// <summary>The transaction after which nothing refuses it.</summary>
    /// <param name="found">What earlier attempts have found out.</param>
    /// <param name="epoch">Of the route.</param>
    /// <param name="cancellationToken">Nothing is written.</param>
    Task<UnitParts> DecideAsync(UnitFindings found, long? epoch, CancellationToken cancellationToken);

    /// <summary>Does what is decided, and ends it. May begin anew any number of times.</summary>
    /// <returns>The bill that it has made.</returns>
    Task<BillingRecord?> RunAsync(CancellationToken cancellationToken);
}
