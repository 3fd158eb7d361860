# Everything that runs the whole program: the tool testing itself, the examples, wrong specs, interop.

function(system_test name)
  add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 240 SKIP_RETURN_CODE 77
    ENVIRONMENT "GOTO_RUN=$<TARGET_FILE:goto-run>;LSAN_OPTIONS=report_objects=1")
endfunction()

file(GLOB specs CONFIGURE_DEPENDS specs/*.goto.yaml)
foreach(spec IN LISTS specs)
  get_filename_component(name ${spec} NAME)
  string(REPLACE ".goto.yaml" "" name ${name})
  system_test(specs.${name} goto-run ctest/specs/${name}.goto.yaml)
endforeach()

system_test(examples goto-run examples)
system_test(wrong ctest/wrong/run.sh)
system_test(schema python3 ctest/schema.py)

file(GLOB scripts CONFIGURE_DEPENDS interop/*.sh interop/*.py)
foreach(script IN LISTS scripts)
  get_filename_component(name ${script} NAME_WE)
  system_test(interop.${name} ${script})
endforeach()
