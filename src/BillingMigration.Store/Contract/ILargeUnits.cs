namespace BillingMigration.Store;

/// <summary>A backend that cannot write any number of rows at once, and has a way of its own for billing operations that need it.</summary>
internal interface ILargeUnits
{
    /// <summary>Bills all unbilled charges of an account.</summary>
    /// <param name="bill">Its values, its account among them.</param>
    /// <param name="key">Written with the bill, or with what decides it; nothing is written of a run that has nothing to bill. Null: none.</param>
    /// <returns>Null: there was nothing to bill.</returns>
    Task<BillingRecord?> RunBillAsync(IReadOnlyDictionary<string, object?> bill, BillingColumns columns, string? key, CancellationToken cancellationToken);

    /// <returns>Null: the backend writes units of any size.</returns>
    static ILargeUnits? Of(IBillingStore store) => store is ComparingBillingStore both ? Of(both.First) : store as ILargeUnits;
}
