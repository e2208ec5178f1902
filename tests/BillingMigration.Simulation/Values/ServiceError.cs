using System.Text.Json;

namespace BillingMigration.Simulation;

/// <summary>An error answer of DynamoDB.</summary>
internal sealed class ServiceError(string type, string message, int status = 400, Action<Utf8JsonWriter>? details = null) : Exception(message)
{
    public string Type => type;

    public int Status => status;

    /// <summary>Writes the members that an error has besides its type and message.</summary>
    public Action<Utf8JsonWriter>? Details => details;

    public static ServiceError Invalid(string message) => new("ValidationException", message);
}
