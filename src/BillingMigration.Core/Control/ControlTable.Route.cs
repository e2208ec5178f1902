using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

public sealed partial class ControlTable
{
    /// <summary>Where the calls of applications go.</summary>
    public async Task<Route> FindRouteAsync(CancellationToken cancellationToken) =>
        await ReadAsync(RouteItem.SortKey, cancellationToken) is { } item ? RouteItem.FromItem(item) : Route.First;

    /// <summary>The same, asked once: whoever asks several times a second asks again by himself.</summary>
    internal async Task<Route> AskRouteAsync(CancellationToken cancellationToken)
    {
        var request = new GetItemRequest { TableName = Table, Key = Key(RouteItem.SortKey), ConsistentRead = true };
        var answer = await ControlCalls.OnceAsync(ct => Client.GetItemAsync(request, ct), cancellationToken);
        return answer.IsItemSet ? RouteItem.FromItem(answer.Item) : Route.First;
    }

    /// <summary>Every change so far, the oldest first.</summary>
    public Task<ImmutableArray<Route>> ListRoutesAsync(CancellationToken cancellationToken) =>
        ListAsync(RouteItem.SortKey + "#", RouteItem.FromItem, cancellationToken);

    /// <summary>Changes the route in one conditional write, if it is still the one that <paramref name="to"/> was made from.</summary>
    /// <param name="lease">Of whoever switches: without it nothing changes.</param>
    /// <exception cref="MigrationException"><c>LeaseLost</c>; <c>RouteChanged</c>: another was quicker.</exception>
    public async Task ChangeRouteAsync(Lease lease, Route to, CancellationToken cancellationToken)
    {
        var change = Guid.NewGuid().ToString("N");
        var put = new Put { TableName = Table, Item = RouteItem.ToItem(pk, RouteItem.SortKey, to, change), ConditionExpression = "attribute_not_exists(pk)" };
        if (to.Epoch > 1)
        {
            put.ConditionExpression = "#e = :e";
            put.ExpressionAttributeNames = new Dictionary<string, string> { ["#e"] = RouteItem.Epoch };
            put.ExpressionAttributeValues = new Dictionary<string, AttributeValue> { [":e"] = ControlItemBuilder.Number(to.Epoch - 1) };
        }

        var history = new Put { TableName = Table, Item = RouteItem.ToItem(pk, RouteItem.HistorySortKey(to.Epoch), to, change) };
        try
        {
            await FencedAsync(lease, $"Changing the route to {to.State}", [new TransactWriteItem { Put = put }, new TransactWriteItem { Put = history }], cancellationToken);
        }
        catch (MigrationException e) when (e.InnerException is TransactionCanceledException && e.ErrorId != "LeaseLost")
        {
            var now = await ReadAsync(RouteItem.SortKey, cancellationToken);
            if (now?[RouteItem.Change].S == change)
            {
                // The answer to the first attempt got lost.
                return;
            }

            var found = now is null ? Route.First : RouteItem.FromItem(now);
            throw new MigrationException(
                "RouteChanged", MigrationErrorKind.Busy, $"The applications' route is {found.State} with epoch {found.Epoch} by now, changed by {found.Actor}. Look at Get-BillingMigration, and decide again.", found.State, e);
        }
    }
}
