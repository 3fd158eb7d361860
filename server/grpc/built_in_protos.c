/*
 * The descriptors of the services that a server of gRPC has beside its own: what reflection tells
 * of health and of itself. They are FileDescriptorProtos as protoc makes them of the files in
 * ctest/grpc/grpc; a unit test compares the two.
 */
#include "server/grpc/built_in_private.h"

static const char health[] =
    "\012\033grpc/health/v1/health.proto\022\016grpc.health.v1\".\012\022HealthCheckRequest\022"
    "\030\012\007service\030\001 \001(\011R\007service\"\261\001\012\023HealthCheckResponse\022"
    "I\012\006status\030\001 \001(\01621.grpc.health.v1.HealthCheckResponse.ServingStatusR\006"
    "status\"O\012\015ServingStatus\022\013\012\007UNKNOWN\020\000\022\013\012\007SERVING\020"
    "\001\022\017\012\013NOT_SERVING\020\002\022\023\012\017SERVICE_UNKNOWN\020\0032\256\001\012"
    "\006Health\022P\012\005Check\022\".grpc.health.v1.HealthCheckRequest\032#.grpc.health.v1"
    ".HealthCheckResponse\022R\012\005Watch\022\".grpc.health.v1.HealthCheckRequest\032#.grpc"
    ".health.v1.HealthCheckResponse0\001b\006proto3";

static const char reflection_v1[] =
    "\012#grpc/reflection/v1/reflection.proto\022\022grpc.reflection.v1\"\363\002\012\027Serv"
    "erReflectionRequest\022\022\012\004host\030\001 \001(\011R\004host\022*\012\020file_by_f"
    "ilename\030\003 \001(\011H\000R\016fileByFilename\0226\012\026file_containing_symbol\030"
    "\004 \001(\011H\000R\024fileContainingSymbol\022b\012\031file_containing_extension\030\005"
    " \001(\0132$.grpc.reflection.v1.ExtensionRequestH\000R\027fileContainingExtension\022B\012"
    "\035all_extension_numbers_of_type\030\006 \001(\011H\000R\031allExtensionNumbersOfType\022"
    "%\012\015list_services\030\007 \001(\011H\000R\014listServicesB\021\012\017message_reque"
    "st\"f\012\020ExtensionRequest\022'\012\017containing_type\030\001 \001(\011R\016containi"
    "ngType\022)\012\020extension_number\030\002 \001(\005R\017extensionNumber\"\256\004\012\030"
    "ServerReflectionResponse\022\035\012\012valid_host\030\001 \001(\011R\011validHost\022V\012"
    "\020original_request\030\002 \001(\0132+.grpc.reflection.v1.ServerReflectionRequestR\017"
    "originalRequest\022f\012\030file_descriptor_response\030\004 \001(\0132*.grpc.reflection"
    ".v1.FileDescriptorResponseH\000R\026fileDescriptorResponse\022r\012\036all_extension_num"
    "bers_response\030\005 \001(\0132+.grpc.reflection.v1.ExtensionNumberResponseH\000R\033al"
    "lExtensionNumbersResponse\022_\012\026list_services_response\030\006 \001(\0132'.grpc.re"
    "flection.v1.ListServiceResponseH\000R\024listServicesResponse\022J\012\016error_response"
    "\030\007 \001(\0132!.grpc.reflection.v1.ErrorResponseH\000R\015errorResponseB\022\012\020"
    "message_response\"L\012\026FileDescriptorResponse\0222\012\025file_descriptor_proto\030\001"
    " \003(\014R\023fileDescriptorProto\"j\012\027ExtensionNumberResponse\022$\012\016base_ty"
    "pe_name\030\001 \001(\011R\014baseTypeName\022)\012\020extension_number\030\002 \003(\005"
    "R\017extensionNumber\"T\012\023ListServiceResponse\022=\012\007service\030\001 \003(\013"
    "2#.grpc.reflection.v1.ServiceResponseR\007service\"%\012\017ServiceResponse\022\022\012\004"
    "name\030\001 \001(\011R\004name\"S\012\015ErrorResponse\022\035\012\012error_code\030\001"
    " \001(\005R\011errorCode\022#\012\015error_message\030\002 \001(\011R\014errorMessage2\211"
    "\001\012\020ServerReflection\022u\012\024ServerReflectionInfo\022+.grpc.reflection.v1.Se"
    "rverReflectionRequest\032,.grpc.reflection.v1.ServerReflectionResponse(\0010\001b\006pro"
    "to3";

static const char reflection_v1alpha[] =
    "\012(grpc/reflection/v1alpha/reflection.proto\022\027grpc.reflection.v1alpha\"\370\002\012"
    "\027ServerReflectionRequest\022\022\012\004host\030\001 \001(\011R\004host\022*\012\020f"
    "ile_by_filename\030\003 \001(\011H\000R\016fileByFilename\0226\012\026file_containing_sy"
    "mbol\030\004 \001(\011H\000R\024fileContainingSymbol\022g\012\031file_containing_extensi"
    "on\030\005 \001(\0132).grpc.reflection.v1alpha.ExtensionRequestH\000R\027fileContainingE"
    "xtension\022B\012\035all_extension_numbers_of_type\030\006 \001(\011H\000R\031allExtensi"
    "onNumbersOfType\022%\012\015list_services\030\007 \001(\011H\000R\014listServicesB\021\012"
    "\017message_request\"f\012\020ExtensionRequest\022'\012\017containing_type\030\001 \001("
    "\011R\016containingType\022)\012\020extension_number\030\002 \001(\005R\017extensionNumb"
    "er\"\307\004\012\030ServerReflectionResponse\022\035\012\012valid_host\030\001 \001(\011"
    "R\011validHost\022[\012\020original_request\030\002 \001(\01320.grpc.reflection.v1alpha."
    "ServerReflectionRequestR\017originalRequest\022k\012\030file_descriptor_response\030\004"
    " \001(\0132/.grpc.reflection.v1alpha.FileDescriptorResponseH\000R\026fileDescriptorRespo"
    "nse\022w\012\036all_extension_numbers_response\030\005 \001(\01320.grpc.reflection.v1alp"
    "ha.ExtensionNumberResponseH\000R\033allExtensionNumbersResponse\022d\012\026list_service"
    "s_response\030\006 \001(\0132,.grpc.reflection.v1alpha.ListServiceResponseH\000R\024list"
    "ServicesResponse\022O\012\016error_response\030\007 \001(\0132&.grpc.reflection.v1alpha."
    "ErrorResponseH\000R\015errorResponseB\022\012\020message_response\"L\012\026FileDescript"
    "orResponse\0222\012\025file_descriptor_proto\030\001 \003(\014R\023fileDescriptorProto\""
    "j\012\027ExtensionNumberResponse\022$\012\016base_type_name\030\001 \001(\011R\014baseTy"
    "peName\022)\012\020extension_number\030\002 \003(\005R\017extensionNumber\"Y\012\023List"
    "ServiceResponse\022B\012\007service\030\001 \003(\0132(.grpc.reflection.v1alpha.ServiceR"
    "esponseR\007service\"%\012\017ServiceResponse\022\022\012\004name\030\001 \001(\011R\004"
    "name\"S\012\015ErrorResponse\022\035\012\012error_code\030\001 \001(\005R\011errorCode\022"
    "#\012\015error_message\030\002 \001(\011R\014errorMessage2\223\001\012\020ServerReflecti"
    "on\022\177\012\024ServerReflectionInfo\0220.grpc.reflection.v1alpha.ServerReflectionRequ"
    "est\0321.grpc.reflection.v1alpha.ServerReflectionResponse(\0010\001b\006proto3";

const struct str grpc_built_in_files[GRPC_BUILT_IN_FILES] = {
    {health, sizeof health - 1},
    {reflection_v1, sizeof reflection_v1 - 1},
    {reflection_v1alpha, sizeof reflection_v1alpha - 1},
};
