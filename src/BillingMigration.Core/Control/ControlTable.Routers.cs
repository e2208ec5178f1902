using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

public sealed partial class ControlTable
{
    /// <summary>Says once that a routed store writes, or that its writes wait. What it says late does not take back what it has said since.</summary>
    internal async Task SaveRouterAsync(RouterItem router, CancellationToken cancellationToken)
    {
        var request = new PutItemRequest
        {
            TableName = Table,
            Item = router.ToItem(pk),
            ConditionExpression = $"attribute_not_exists(pk) OR {RouterItem.EpochName} <= :e",
            ExpressionAttributeValues = new Dictionary<string, AttributeValue> { [":e"] = ControlItemBuilder.Number(router.Epoch) },
        };
        try
        {
            await ControlCalls.OnceAsync(ct => Client.PutItemAsync(request, ct), cancellationToken);
        }
        catch (ConditionalCheckFailedException)
        {
            // It has said more.
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            throw calls.ToError(e, "Making known that an application writes");
        }
    }

    /// <summary>Says once that a routed store has opened the side that a switch is about to send calls to; one that does not write says nothing.</summary>
    /// <param name="id">Of the store.</param>
    /// <param name="epoch">Of the route that announces the switch.</param>
    /// <param name="cancellationToken">Nobody knows whether it was said.</param>
    internal async Task SaveRouterReadyAsync(string id, long epoch, CancellationToken cancellationToken)
    {
        var request = new UpdateItemRequest
        {
            TableName = Table,
            Key = Key(RouterItem.SortKey(id)),
            UpdateExpression = $"SET {RouterItem.ReadyName} = :e",
            ConditionExpression = "attribute_exists(pk)",
            ExpressionAttributeValues = new Dictionary<string, AttributeValue> { [":e"] = ControlItemBuilder.Number(epoch) },
        };
        try
        {
            await ControlCalls.OnceAsync(ct => Client.UpdateItemAsync(request, ct), cancellationToken);
        }
        catch (ConditionalCheckFailedException)
        {
            // It is not known as one that writes.
        }
    }

    /// <returns>Null: it is not known as one that writes.</returns>
    internal async Task<RouterItem?> FindRouterAsync(string id, CancellationToken cancellationToken) =>
        await ReadAsync(RouterItem.SortKey(id), cancellationToken) is { } item ? RouterItem.FromItem(item) : null;

    /// <summary>It writes no more.</summary>
    internal Task RemoveRouterAsync(string id, CancellationToken cancellationToken) =>
        ControlCalls.OnceAsync(ct => Client.DeleteItemAsync(Table, Key(RouterItem.SortKey(id)), ct), cancellationToken);

    /// <summary>The routed stores that write, and those whose process has ended without a word since the last switch.</summary>
    internal Task<ImmutableArray<RouterItem>> ListRoutersAsync(CancellationToken cancellationToken) => ListAsync(RouterItem.Prefix, RouterItem.FromItem, cancellationToken);

    /// <summary>Removes one that was waited for in vain, unless it has given its word since.</summary>
    /// <param name="lease">Of whoever switches.</param>
    /// <param name="id">Of the store.</param>
    /// <param name="epoch">Of the drain.</param>
    /// <param name="cancellationToken">It may be removed by then.</param>
    internal async Task ForgetRouterAsync(Lease lease, string id, long epoch, CancellationToken cancellationToken)
    {
        var delete = new Delete
        {
            TableName = Table,
            Key = Key(RouterItem.SortKey(id)),
            ConditionExpression = $"{RouterItem.EpochName} < :e",
            ExpressionAttributeValues = new Dictionary<string, AttributeValue> { [":e"] = ControlItemBuilder.Number(epoch) },
        };
        try
        {
            await FencedAsync(lease, "Forgetting an application that said nothing", [new TransactWriteItem { Delete = delete }], cancellationToken);
        }
        catch (MigrationException e) when (e.InnerException is TransactionCanceledException && e.ErrorId != "LeaseLost")
        {
            // It has said something, or removed itself.
        }
    }
}
